"""A curve for each feature, and for each scenario another one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene import AdapterBank, Component, ConfigError, Routing, routed


@dataclass
class BendConfig:
    """Options of the bend adapter.

    Args:
        slope: how steep the curves are at the start.
    """

    slope: float = 1.0

    def __post_init__(self) -> None:
        if self.slope <= 0:
            raise ConfigError(f"slope is {self.slope}", where="adapter 'bend'", fix="use a positive number")


class BendBank(AdapterBank):
    """``z = h + a_k * tanh(b_k * h)``, with ``a_k = 0`` at the start: a straight line bends as far as it must."""

    config: BendConfig

    def __init__(self, config: BendConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.height_Kd = nn.Parameter(torch.zeros(n_scenarios, d_model))
        self.slope_Kd = nn.Parameter(torch.full((n_scenarios, d_model), config.slope))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        return h_Nd + routed(self.height_Kd, routing) * torch.tanh(routed(self.slope_Kd, routing) * h_Nd)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"height_Kd": self.height_Kd, "slope_Kd": self.slope_Kd}


COMPONENTS = [Component("adapter", "bend", BendBank, BendConfig)]
