"""An adapter of full rank with few parameters: a Kronecker product."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from polyscene import AdapterBank, Component, Routing, routed_linear


class KroneckerBank(AdapterBank):
    """``z = h + h (A_k (x) B_k)`` with ``A_k [a, a]``, ``B_k [b, b]``, a b = d [KronA, Edalati et al., 2022].

    The update is not limited to a few directions as in a bottleneck, yet has ``a^2 + b^2`` parameters (about 2d);
    a is the divisor of d nearest to its square root. Starts as the identity with ``B_k = 0``.
    """

    def __init__(self, config: Any, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        outer = max(divisor for divisor in range(1, math.isqrt(d_model) + 1) if d_model % divisor == 0)
        inner = d_model // outer
        self.outer_Kaa = nn.Parameter(torch.eye(outer) + torch.randn(n_scenarios, outer, outer) / outer)
        self.inner_Kbb = nn.Parameter(torch.zeros(n_scenarios, inner, inner))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        # With h as a matrix H [a, b], h (A (x) B) is A^T H B: no need for the d x d numbers of the product.
        square_Nab = h_Nd.unflatten(-1, (self.outer_Kaa.shape[-1], -1))
        turned_Nba = routed_linear(square_Nab, self.inner_Kbb, routing).transpose(1, 2)
        return h_Nd + routed_linear(turned_Nba, self.outer_Kaa, routing).transpose(1, 2).flatten(1)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"outer_Kaa": self.outer_Kaa, "inner_Kbb": self.inner_Kbb}


COMPONENTS = [Component("adapter", "kronecker", KroneckerBank)]
