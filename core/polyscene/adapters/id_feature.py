"""The control that reviewers ask for: the scenario as a plain feature."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed
from polyscene.errors import ConfigError, Problems


@dataclass
class IdFeatureConfig:
    """Options of the id feature.

    Args:
        dimensions: width of a scenario's vector.
        hidden: width of the hidden layer; 0 for the model's width.
    """

    dimensions: int = 16
    hidden: int = 0

    def __post_init__(self) -> None:
        problems = Problems("adapter 'id_feature'")
        if self.dimensions < 1:
            problems.add(f"dimensions is {self.dimensions}", fix="use 1 or more")
        if self.hidden < 0:
            problems.add(f"hidden is {self.hidden}", fix="use 0 (the model's width) or a width")
        problems.raise_if_any(ConfigError)


class IdFeature(AdapterBank):
    """``z = h + W_2 gelu(W_1 [h; e_k] + b_1)``: one MLP for all, with the scenario's vector e_k in its input.

    ``W_2 = 0`` at the start. A scenario added later starts at ``e_k = 0``: the MLP of nobody in particular.
    """

    config: IdFeatureConfig

    def __init__(self, config: IdFeatureConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        hidden = config.hidden or d_model
        self.scenario_Ke = nn.Parameter(torch.zeros(n_scenarios, config.dimensions))
        self.hidden = nn.Linear(d_model + config.dimensions, hidden)
        self.out = nn.Linear(hidden, d_model, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        feature_Ne = routed(self.scenario_Ke, routing).to(h_Nd.dtype)
        return h_Nd + self.out(nn.functional.gelu(self.hidden(torch.cat([h_Nd, feature_Ne], -1))))

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"scenario_Ke": self.scenario_Ke}
