"""EPNet: a gate on each feature from the scenario and the row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed
from polyscene.adapters.gate_unit import GateUnit
from polyscene.adapters.options import check_counts


@dataclass
class EpnetConfig:
    """Options of EPNet.

    Args:
        dimensions: width of a scenario's vector.
        hidden: width of the gate's hidden layer.
    """

    dimensions: int = 16
    hidden: int = 64

    def __post_init__(self) -> None:
        check_counts(self, "epnet", "dimensions", "hidden")


class Epnet(AdapterBank):
    """``z = GateNU([e_k; sg(h)]) * h``, sg stops the gradient [Chang et al., KDD'23, equations 3 and 4].

    The gate is a shared network, the scenario's own is its vector ``e_k``, 0 at the start. Gates are 1 at the
    start. Its gradient does not reach the representation, which learns as if the gate were given.
    """

    source = "PEPNet, KDD'23"
    config: EpnetConfig

    def __init__(self, config: EpnetConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.scenario_Ke = nn.Parameter(torch.zeros(n_scenarios, config.dimensions))
        self.gate = GateUnit(config.dimensions + d_model, config.hidden, d_model)

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        scenario_Ne = routed(self.scenario_Ke, routing).to(h_Nd.dtype)
        return self.gate(torch.cat([scenario_Ne, h_Nd.detach()], -1)) * h_Nd

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"scenario_Ke": self.scenario_Ke}
