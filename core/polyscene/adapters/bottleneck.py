"""A narrow detour per scenario beside the shared path."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed_linear
from polyscene.errors import ConfigError


@dataclass
class BottleneckConfig:
    """Options of the bottleneck.

    Args:
        rank: width r of the detour, much smaller than the model's.
    """

    rank: int = 16

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"rank is {self.rank}", where="adapter 'bottleneck'", fix="use 1 or more")


class Bottleneck(AdapterBank):
    """``z = h + U_k gelu(D_k LN(h))`` [Houlsby et al., ICML'19; Pfeiffer et al., EACL'21].

    ``U_k = 0`` at the start. The norm has no parameters of its own: ``D_k`` holds its scale.
    """

    config: BottleneckConfig

    def __init__(self, config: BottleneckConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.down_Kdr = nn.Parameter(torch.randn(n_scenarios, d_model, config.rank) / d_model**0.5)
        self.up_Krd = nn.Parameter(torch.zeros(n_scenarios, config.rank, d_model))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        normed_Nd = nn.functional.layer_norm(h_Nd, (self.d_model,))
        narrow_Nr = nn.functional.gelu(routed_linear(normed_Nd, self.down_Kdr, routing))
        return h_Nd + routed_linear(narrow_Nr, self.up_Krd, routing)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"down_Kdr": self.down_Kdr, "up_Krd": self.up_Krd}
