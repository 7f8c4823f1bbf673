"""An adapter of two vectors: every dimension scaled and shifted."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from polyscene import AdapterBank, Component, Routing, routed


class ScaleShiftBank(AdapterBank):
    """``z = (1 + a_k) * h + b_k`` with ``a_k = b_k = 0`` at the start [SSF, Lian et al., NeurIPS 2022].

    The cheapest adapter that can move a scenario's mean as well as its scales: 2d parameters per scenario.
    """

    def __init__(self, config: Any, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.scale_Kd = nn.Parameter(torch.zeros(n_scenarios, d_model))
        self.shift_Kd = nn.Parameter(torch.zeros(n_scenarios, d_model))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        return h_Nd + h_Nd * routed(self.scale_Kd, routing) + routed(self.shift_Kd, routing)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"scale_Kd": self.scale_Kd, "shift_Kd": self.shift_Kd}


COMPONENTS = [Component("adapter", "scale_shift", ScaleShiftBank)]
