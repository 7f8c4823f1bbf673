"""An input-dependent gate for each scenario."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene import AdapterBank, Component, Routing, routed, routed_linear


@dataclass
class ExcitationConfig:
    """Options of the excitation adapter.

    Args:
        rank: width r of the squeeze.
    """

    rank: int = 8


class ExcitationBank(AdapterBank):
    """``z = h * (1 + tanh(b_k + U_k relu(D_k LN(h))))``: each feature is turned up or down in view of the others.

    Squeeze-and-excitation [Hu et al., CVPR 2018] with a gate around 1 and parameters per scenario: what a viewer
    watched decides which features of the state count. ``U_k = 0`` and ``b_k = 0`` at start, so that z = h. The
    normalization has no parameters and looks at one row only.
    """

    config: ExcitationConfig

    def __init__(self, config: ExcitationConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.down_Kdr = nn.Parameter(torch.randn(n_scenarios, d_model, config.rank) / d_model**0.5)
        self.up_Krd = nn.Parameter(torch.zeros(n_scenarios, config.rank, d_model))
        self.bias_Kd = nn.Parameter(torch.zeros(n_scenarios, d_model))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        squeezed_Nr = routed_linear(functional.layer_norm(h_Nd, (self.d_model,)), self.down_Kdr, routing).relu()
        excited_Nd = routed_linear(squeezed_Nr, self.up_Krd, routing) + routed(self.bias_Kd, routing)
        return h_Nd * (1 + excited_Nd.tanh())

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"down_Kdr": self.down_Kdr, "up_Krd": self.up_Krd, "bias_Kd": self.bias_Kd}


COMPONENTS = [Component("adapter", "excitation", ExcitationBank, ExcitationConfig)]
