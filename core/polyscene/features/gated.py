"""Fusion by a gated sum: each row decides how much each field counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.errors import ConfigError
from polyscene.features.fusion import Fusion, field_linears


@dataclass
class GatedFusionConfig:
    """Options of the gated fusion.

    Args:
        hidden: width of the summary of all fields that the gates read.
    """

    hidden: int = 16

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise ConfigError(f"hidden is {self.hidden}", where="fusion 'gated'", fix="use 1 or more")


class GatedFusion(Fusion):
    """``sum_f 2 sigmoid(a_f . tanh(sum_g V_g x_g)) W_f x_f + b``.

    With ``a_f = 0`` at the start all gates are 1. No gate competes with another, so a field of zeros (a closed
    gate) changes nothing.
    """

    config: GatedFusionConfig

    def __init__(self, config: GatedFusionConfig, dims: Mapping[str, int], d_model: int) -> None:
        super().__init__(config, dims, d_model)
        self.reduce = field_linears(dims, d_model)
        self.summary = field_linears(dims, config.hidden)
        self.gate = nn.ParameterDict({name: nn.Parameter(torch.zeros(config.hidden)) for name in dims})
        self.bias_d = nn.Parameter(torch.zeros(d_model))

    def forward(self, fields: Mapping[str, Tensor]) -> Tensor:
        summary = torch.stack([summary(fields[name]) for name, summary in self.summary.items()]).sum(0).tanh()
        gated = [
            2 * (summary @ self.gate[name]).sigmoid().unsqueeze(-1) * reduce(fields[name])
            for name, reduce in self.reduce.items()
        ]
        return self.bias_d + torch.stack(gated).sum(0)
