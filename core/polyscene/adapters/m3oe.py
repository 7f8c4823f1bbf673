"""Three groups of experts: for all, for each scenario, and for aspects that cut across scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed, routed_linear
from polyscene.adapters.experts import Experts, ScenarioExperts
from polyscene.adapters.options import check_counts


@dataclass
class M3oeConfig:
    """Options of the three groups.

    Args:
        shared_experts: experts that a gate per scenario and row mixes.
        aspect_experts: experts that each scenario mixes with fixed learned weights.
        hidden: hidden width of one expert.
    """

    shared_experts: int = 4
    aspect_experts: int = 2
    hidden: int = 32

    def __post_init__(self) -> None:
        check_counts(self, "m3oe", "shared_experts", "aspect_experts", "hidden")


class M3oe(AdapterBank):
    """``z = h + softmax(G_k sg(h)) . E(h) + w_d D_k'(h) + w_t T_k'(h)`` [Zhang et al., SIGIR'24].

    ``D_k' = a D_k + (1 - a)/(K - 1) sum_{j != k} D_j`` over the scenarios' experts, with ``a``, ``w_d`` and
    ``w_t`` sigmoids of learned scalars that start at 1/2. What experts add is 0 at the start, so ``z = h``.

    A row reaches the experts ``D_j`` of all scenarios, so these are shared parameters, and its work grows with K;
    own are the gate ``G_k`` and the weights of the aspects. A scenario added later hears those before it, not the
    other way round, so that the outputs of others stay what they were: ``K`` above is the number of scenarios that
    k hears.

    The paper's third group has an expert for each task. A bank has no tasks: here it is a group of experts ``T_t``
    for aspects that nobody names, ``T_k' = sum_t softmax(m_k)_t T_t`` with learned weights ``m_k``, equal at the
    start.
    """

    source = "M3oE, SIGIR'24"
    config: M3oeConfig
    heard_K: Tensor

    def __init__(self, config: M3oeConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.gate_KdE = nn.Parameter(torch.zeros(n_scenarios, d_model, config.shared_experts))
        self.aspect_KE = nn.Parameter(torch.zeros(n_scenarios, config.aspect_experts))
        self.shared = Experts(config.shared_experts, d_model, config.hidden)
        self.aspects = Experts(config.aspect_experts, d_model, config.hidden)
        self.scenario = ScenarioExperts(n_scenarios, 1, d_model, config.hidden)
        self.balance_3 = nn.Parameter(torch.zeros(3))
        # Scenario k hears scenarios 0 to heard_K[k] - 1. The sums of experts are made generation by generation, in
        # products that a later generation leaves as they are; their bounds are needed on the host.
        self.register_buffer("heard_K", torch.full((n_scenarios,), n_scenarios))
        self._bounds = (n_scenarios,)
        self.register_load_state_dict_post_hook(_read_bounds)

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        own_share, scenario_weight, aspect_weight = self.balance_3.sigmoid().unbind()
        gate_NE = routed_linear(h_Nd.detach(), self.gate_KdE, routing).softmax(-1)
        aspect_NE = routed(self.aspect_KE.softmax(-1), routing)
        weight_NG = routed(self._weights(own_share), routing)
        scenario_Nd = weight_NG[:, :1] * self.scenario(h_Nd, torch.ones_like(weight_NG[:, :1]), routing)
        first = 0
        for generation, stop in enumerate(self._bounds, start=1):
            sum_Nd = self.scenario.sum_of(h_Nd, first, stop)
            scenario_Nd = scenario_Nd + weight_NG[:, generation : generation + 1] * sum_Nd
            first = stop
        return (
            h_Nd
            + self.shared(h_Nd, gate_NE)
            + scenario_weight * scenario_Nd
            + aspect_weight * self.aspects(h_Nd, aspect_NE)
        )

    def _weights(self, own_share: Tensor) -> Tensor:
        """Weights ``[K, 1 + generations]`` of a scenario's own expert and of the sum over each generation."""
        others_K = self.heard_K - 1
        each_K = (1 - own_share) / others_K.clamp(min=1) * (others_K > 0)
        heard = [each_K * (self.heard_K >= stop) for stop in self._bounds]
        return torch.stack([own_share - each_K, *heard], -1)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"gate_KdE": self.gate_KdE, "aspect_KE": self.aspect_KE}

    def joint_parameters(self) -> dict[str, nn.Parameter]:
        return {f"scenario.{name}": parameter for name, parameter in self.scenario.named_parameters()}

    def scenario_buffers(self) -> dict[str, Tensor]:
        return {"heard_K": self.heard_K}

    def grow(self, count: int = 1) -> None:
        super().grow(count)
        self.heard_K[-count:] = self.n_scenarios
        self._bounds = (*self._bounds, self.n_scenarios)


def _read_bounds(bank: M3oe, _: Any) -> None:
    """After loading: the generations that a saved bank has."""
    bank._bounds = tuple(bank.heard_K.unique().tolist())
