"""The basic scenario layer: a weight per feature and scenario."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed
from polyscene.errors import ConfigError


@dataclass
class GateConfig:
    """Options of the gate.

    Args:
        activation: ``identity`` or ``gelu``; with ``gelu`` all scenarios start at ``gelu(h)`` instead of ``h``.
    """

    activation: str = "identity"

    def __post_init__(self) -> None:
        if self.activation not in ("identity", "gelu"):
            raise ConfigError(
                f"activation is '{self.activation}'", where="adapter 'gate'", fix="use identity or gelu"
            )


class Gate(AdapterBank):
    """``z = act(h * w_k)``, with ``w_k = 1`` at the start."""

    config: GateConfig

    def __init__(self, config: GateConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.starts_as_identity = config.activation == "identity"
        self.weight_Kd = nn.Parameter(torch.ones(n_scenarios, d_model))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        gated_Nd = h_Nd * routed(self.weight_Kd, routing)
        return nn.functional.gelu(gated_Nd) if self.config.activation == "gelu" else gated_Nd

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"weight_Kd": self.weight_Kd}
