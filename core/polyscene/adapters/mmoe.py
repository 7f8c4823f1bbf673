"""Multi-gate mixture of experts: experts for all, a gate per scenario."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed_linear
from polyscene.adapters.experts import Experts
from polyscene.adapters.options import check_counts


@dataclass
class MmoeConfig:
    """Options of the mixture of experts.

    Args:
        experts: number of experts E, shared by all scenarios.
        hidden: hidden width of one expert.
    """

    experts: int = 4
    hidden: int = 64

    def __post_init__(self) -> None:
        check_counts(self, "mmoe", "experts", "hidden")


class Mmoe(AdapterBank):
    """``z = sum_e softmax(G_k h)_e (h + E_e(h))`` [Ma et al., KDD'18].

    The gates ``G_k`` are the scenario's own, the experts are shared. ``G_k = 0`` at the start: all experts count
    the same. An expert here is what it adds to ``h``, 0 at the start, where the paper's replaces ``h``; as gates
    sum to 1, ``z = h + sum_e g_e E_e(h)``, which starts as the identity and not as the mean of random networks.
    """

    source = "MMoE, KDD'18"
    config: MmoeConfig

    def __init__(self, config: MmoeConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.gate_KdE = nn.Parameter(torch.zeros(n_scenarios, d_model, config.experts))
        self.experts = Experts(config.experts, d_model, config.hidden)

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        gate_NE = routed_linear(h_Nd, self.gate_KdE, routing).softmax(-1)
        return h_Nd + self.experts(h_Nd, gate_NE)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"gate_KdE": self.gate_KdE}
