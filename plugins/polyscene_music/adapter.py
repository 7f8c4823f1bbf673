"""An adapter that turns the shared space without stretching it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene import AdapterBank, Component, Routing, routed_linear


@dataclass
class RotationConfig:
    """Options of the rotation adapter.

    Args:
        rank: number of planes in which a scenario turns the space.
    """

    rank: int = 4


class RotationBank(AdapterBank):
    """``z = h Q_k`` with the orthogonal ``Q_k = (I - S_k)(I + S_k)^-1``, ``S_k = A_k B_k^T - B_k A_k^T``.

    The Cayley transform of a skew matrix is a rotation [used for fine-tuning by OFT, Qiu et al., NeurIPS 2023];
    lengths and angles between vectors of one scenario stay as the backbone made them. Starts as the identity with
    ``B_k = 0``; 2 d rank parameters per scenario.
    """

    config: RotationConfig

    def __init__(self, config: RotationConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.first_Kdr = nn.Parameter(torch.randn(n_scenarios, d_model, config.rank) / d_model**0.5)
        self.second_Kdr = nn.Parameter(torch.zeros(n_scenarios, d_model, config.rank))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        left_Kds, right_Ksd = self.factors()
        return h_Nd - routed_linear(routed_linear(h_Nd, left_Kds, routing), right_Ksd, routing)

    def factors(self) -> tuple[Tensor, Tensor]:
        """``[K, d, 2r]`` and ``[K, 2r, d]`` whose product is ``I - Q_k``.

        ``S = U V^T`` with ``U = [-B, A]`` and ``V = [A, B]``, and ``Q = 2 (I + S)^-1 - I``, so by Woodbury's
        identity ``I - Q = 2 U (I + V^T U)^-1 V^T``: a matrix of width 2r to invert instead of d, never singular
        because ``I + S`` is not. In this order of A and B it is triangular at the start, and Q exactly I.
        """
        left_Kds = torch.cat([-self.second_Kdr, self.first_Kdr], -1)
        right_Kds = torch.cat([self.first_Kdr, self.second_Kdr], -1)
        # A sum of products and not a matrix product, which autocast would take to half precision: too coarse to
        # invert.
        inner_Kss = (right_Kds.unsqueeze(3) * left_Kds.unsqueeze(2)).sum(1)
        unit_ss = torch.eye(inner_Kss.shape[-1], device=inner_Kss.device, dtype=inner_Kss.dtype)
        return left_Kds, 2 * torch.linalg.inv(unit_ss + inner_Kss) @ right_Kds.transpose(1, 2)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"first_Kdr": self.first_Kdr, "second_Kdr": self.second_Kdr}


COMPONENTS = [Component("adapter", "rotation", RotationBank, RotationConfig)]
