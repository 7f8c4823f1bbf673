"""Progressive layered extraction: experts of one's own beside experts for all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed_linear
from polyscene.adapters.experts import Experts, ScenarioExperts
from polyscene.adapters.options import check_counts


@dataclass
class PleConfig:
    """Options of progressive layered extraction.

    Args:
        levels: number of levels; 1 is customized gate control (CGC).
        own_experts: experts of each scenario, per level.
        shared_experts: experts of all scenarios, per level.
        hidden: hidden width of one expert.
    """

    levels: int = 1
    own_experts: int = 1
    shared_experts: int = 2
    hidden: int = 32

    def __post_init__(self) -> None:
        check_counts(self, "ple", "levels", "own_experts", "shared_experts", "hidden")


class Ple(AdapterBank):
    """A scenario's path p and a shared path s, both first ``h``, through levels of experts [Tang, RecSys'20].

    Per level ``p <- p + sum_e g_e E_ke(p) + sum_e g_e S_e(s)`` with ``g = softmax(G_k p)`` over the scenario's own
    experts ``E_k`` and the shared ``S``, and ``s <- s + sum_e softmax(G s)_e S_e(s)``; ``z`` is the last p. Gates
    are equal and what experts add is 0 at the start, so ``z = h``.

    The paper's shared path also mixes in the experts of all scenarios. Here it does not: those experts would no
    longer be their scenario's own, and a row's cost and output would depend on how many scenarios there are. With
    one level, the default, the two are the same.
    """

    source = "PLE, RecSys'20"
    config: PleConfig

    def __init__(self, config: PleConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.levels = nn.ModuleList(
            _Level(config, d_model, n_scenarios, last=level == config.levels - 1) for level in range(config.levels)
        )

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        own_Nd = shared_Nd = h_Nd
        for level in self.levels:
            own_Nd, shared_Nd = level(own_Nd, shared_Nd, routing)
        return own_Nd

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if ".own." in name or name.endswith("gate_KdE")
        }


class _Level(nn.Module):
    """One level; the last has no gate for the shared path, which ends there."""

    def __init__(self, config: PleConfig, d_model: int, n_scenarios: int, *, last: bool) -> None:
        super().__init__()
        self.counts = [config.own_experts, config.shared_experts]
        self.gate_KdE = nn.Parameter(torch.zeros(n_scenarios, d_model, sum(self.counts)))
        self.own = ScenarioExperts(n_scenarios, config.own_experts, d_model, config.hidden)
        self.shared = Experts(config.shared_experts, d_model, config.hidden)
        self.shared_gate_dE = None if last else nn.Parameter(torch.zeros(d_model, config.shared_experts))

    def forward(self, own_Nd: Tensor, shared_Nd: Tensor, routing: Routing) -> tuple[Tensor, Tensor]:
        gates = routed_linear(own_Nd, self.gate_KdE, routing).softmax(-1).split(self.counts, -1)
        out_Nd = own_Nd + self.own(own_Nd, gates[0], routing) + self.shared(shared_Nd, gates[1])
        if self.shared_gate_dE is None:
            return out_Nd, shared_Nd
        gate_NE = (shared_Nd @ self.shared_gate_dE).softmax(-1)
        return out_Nd, shared_Nd + self.shared(shared_Nd, gate_NE)
