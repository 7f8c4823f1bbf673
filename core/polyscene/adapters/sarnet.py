"""SAR-Net: a linear map per scenario, then shared and own debias experts behind one gate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed
from polyscene.adapters.experts import Experts, ScenarioExperts
from polyscene.adapters.options import check_counts


@dataclass
class SarnetConfig:
    """Options of SAR-Net.

    Args:
        shared_experts: number of experts that all scenarios share.
        own_experts: number of experts of one scenario.
        hidden: hidden width of one expert.
    """

    shared_experts: int = 8
    own_experts: int = 2
    hidden: int = 16

    def __post_init__(self) -> None:
        check_counts(self, "sarnet", "shared_experts", "own_experts", "hidden")


class Sarnet(AdapterBank):
    """``z = h_k + sum_e softmax(G h_k)_e E_e(h_k)``, ``h_k = w_k * h + b_k`` [Shen et al., CIKM'21].

    e runs over the shared experts and the scenario's own; the gate ``G`` is shared and knows the scenario by
    ``h_k``. ``w_k = 1``, ``b_k = 0`` and every ``E_e = 0`` at the start. The published network replaces ``h_k`` by
    the experts' mean; added to it, it starts as the identity. Its fairness coefficient, which reweighs rows that
    were promoted by hand, is left out: no column of ours says which rows were.
    """

    source = "SAR-Net, CIKM'21"
    config: SarnetConfig

    def __init__(self, config: SarnetConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.scale_Kd = nn.Parameter(torch.ones(n_scenarios, d_model))
        self.shift_Kd = nn.Parameter(torch.zeros(n_scenarios, d_model))
        self.gate = nn.Linear(d_model, config.shared_experts + config.own_experts)
        self.shared = Experts(config.shared_experts, d_model, config.hidden)
        self.own = ScenarioExperts(n_scenarios, config.own_experts, d_model, config.hidden)

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        h_Nd = torch.addcmul(routed(self.shift_Kd, routing), h_Nd, routed(self.scale_Kd, routing))
        gate_NE = self.gate(h_Nd).softmax(-1)
        shared_NE, own_NE = gate_NE.split([self.config.shared_experts, self.config.own_experts], -1)
        return h_Nd + self.shared(h_Nd, shared_NE) + self.own(h_Nd, own_NE, routing)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        own = {f"own.{name}": parameter for name, parameter in self.own.named_parameters()}
        return {"scale_Kd": self.scale_Kd, "shift_Kd": self.shift_Kd, **own}
