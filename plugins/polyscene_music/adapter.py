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
        return routed_linear(h_Nd, self.rotations().to(h_Nd.dtype), routing)

    def rotations(self) -> Tensor:
        """The matrices ``Q_k``, ``[K, d, d]``, in float32 whatever the autocast mode is."""
        # A sum of products and not a matrix product, which autocast would take to half precision: too coarse to
        # solve with.
        product_Kdd = (self.first_Kdr.unsqueeze(2) * self.second_Kdr.unsqueeze(1)).sum(dim=-1)
        skew_Kdd = product_Kdd - product_Kdd.transpose(1, 2)
        identity_dd = torch.eye(self.d_model, device=skew_Kdd.device, dtype=skew_Kdd.dtype)
        # (I + S)^-1 and I - S commute, so either order gives the transform. I + S is never singular.
        return torch.linalg.solve(identity_dd + skew_Kdd, identity_dd - skew_Kdd)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"first_Kdr": self.first_Kdr, "second_Kdr": self.second_Kdr}


COMPONENTS = [Component("adapter", "rotation", RotationBank, RotationConfig)]
