"""AdaSparse: a network of which each scenario prunes its own neurons."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed
from polyscene.adapters.options import check_counts
from polyscene.errors import ConfigError, Problems


@dataclass
class AdaSparseConfig:
    """Options of AdaSparse.

    Args:
        dimensions: width of a scenario's vector.
        hidden: width of the network's hidden layers.
        layers: number of hidden layers.
        beta: largest factor of a neuron.
        epsilon: factors below this are 0.
        alpha_start: steepness of factors at the start of training.
        alpha_end: steepness in the end; the steeper, the nearer factors are to 0 or beta.
        anneal: calls in training until steepness has reached its end.
    """

    dimensions: int = 16
    hidden: int = 64
    layers: int = 1
    beta: float = 2.0
    epsilon: float = 0.25
    alpha_start: float = 0.1
    alpha_end: float = 5.0
    anneal: int = 300

    def __post_init__(self) -> None:
        check_counts(self, "adasparse", "dimensions", "hidden", "layers", "anneal")
        problems = Problems("adapter 'adasparse'")
        if self.beta <= 0:
            problems.add(f"beta is {self.beta}", fix="use a number above 0; with 2 training starts at h")
        if not 0 <= self.epsilon < self.beta / 2:
            problems.add(
                f"epsilon is {self.epsilon}", fix="use 0 or more and less than beta / 2, where factors start"
            )
        if not 0 < self.alpha_start <= self.alpha_end:
            problems.add(
                f"alpha goes from {self.alpha_start} to {self.alpha_end}",
                fix="use an alpha_start above 0 and an alpha_end that is not below it",
            )
        problems.raise_if_any(ConfigError)


class AdaSparse(AdapterBank):
    """``z = x_0 + W_L x_L``, ``x_l = p_l * h_l``, ``h_{l+1} = relu(W_l x_l + b_l)``, ``h_0 = h``.

    ``p_l = S(beta sigmoid(alpha V_l [e_k; h_l]))``, where S sets factors below epsilon to 0: the pruner in its
    form "fusion" [Yang et al., CIKM'22]. The networks ``W`` and ``V`` are shared, the scenario's own is ``e_k``.
    Alpha grows from alpha_start to alpha_end over a scenario's first calls in training; it is kept per scenario,
    so that one that comes later starts soft too. Calls are counted in a buffer, which eval mode leaves as it is.

    ``e_k``, the part of ``V`` that reads ``h_l``, and ``W_L`` are 0 at the start, so that all factors are beta / 2
    and with beta = 2 ``z = h``. The penalty that holds the share of pruned neurons near a target is left out: an
    adapter has no loss of its own.
    """

    source = "AdaSparse, CIKM'22"
    config: AdaSparseConfig
    steps_K: Tensor

    def __init__(self, config: AdaSparseConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        widths = [d_model, *[config.hidden] * config.layers]
        self.starts_as_identity = config.beta == 2
        self.scenario_Ke = nn.Parameter(torch.zeros(n_scenarios, config.dimensions))
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in pairwise(widths))
        self.pruners = nn.ModuleList(_pruner(config.dimensions, width) for width in widths)
        self.out = nn.Linear(config.hidden, d_model, bias=False)
        nn.init.zeros_(self.out.weight)
        self.register_buffer("steps_K", torch.zeros(n_scenarios, dtype=torch.int64))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        alpha_N1 = routed(self._alpha_K(routing).unsqueeze(-1), routing).to(h_Nd.dtype)
        scenario_Ne = routed(self.scenario_Ke, routing).to(h_Nd.dtype)
        first_Nd = x_Nw = self._pruned(h_Nd, 0, scenario_Ne, alpha_N1)
        for number, layer in enumerate(self.layers, 1):
            x_Nw = self._pruned(layer(x_Nw).relu(), number, scenario_Ne, alpha_N1)
        return first_Nd + self.out(x_Nw)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"scenario_Ke": self.scenario_Ke}

    def scenario_buffers(self) -> dict[str, Tensor]:
        return {"steps_K": self.steps_K}

    def _pruned(self, h_Nw: Tensor, number: int, scenario_Ne: Tensor, alpha_N1: Tensor) -> Tensor:
        factor_Nw = alpha_N1 * self.pruners[number](torch.cat([scenario_Ne, h_Nw], -1))
        factor_Nw = self.config.beta * factor_Nw.sigmoid()
        return h_Nw * nn.functional.threshold(factor_Nw, self.config.epsilon, 0.0)

    def _alpha_K(self, routing: Routing) -> Tensor:
        """Steepness of each scenario; while training, those with rows in the batch then take a step."""
        config = self.config
        progress_K = (self.steps_K.to(self.scenario_Ke.dtype) / config.anneal).clamp(max=1)
        if self.training:
            if routing.weights_NK is not None:
                present_K = routing.weights_NK.gt(0).any(0)
            else:
                assert routing.index_N is not None
                present_K = torch.zeros_like(self.steps_K).index_fill(0, routing.index_N, 1)
            self.steps_K += present_K
        return config.alpha_start + (config.alpha_end - config.alpha_start) * progress_K


def _pruner(dimensions: int, width: int) -> nn.Linear:
    """V of one layer: reads ``[e_k; h_l]``, at the start ``e_k`` alone."""
    pruner = nn.Linear(dimensions + width, width, bias=False)
    with torch.no_grad():
        pruner.weight[:, dimensions:] = 0
    return pruner
