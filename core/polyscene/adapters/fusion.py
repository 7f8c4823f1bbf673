"""Several adapters in one scenario, each row choosing among them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import Routing, routed, routed_linear
from polyscene.adapters.combine import CombinedBank, CombinedConfig
from polyscene.errors import ConfigError


@dataclass
class FusionConfig(CombinedConfig):
    """Options of the fusion.

    Args:
        adapters: the members, as for the other combinations.
        rank: width r in which queries and keys meet.
    """

    rank: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1:
            raise ConfigError(f"rank is {self.rank}", where="adapter 'fusion'", fix="use 1 or more")


class Fusion(CombinedBank):
    """``z = h + sum_i a_i v_k * (A_i(h) - h)`` with ``a = softmax_i(LN(h) Q_k . LN(A_i(h)) K_k / sqrt(r))``.

    AdapterFusion [Pfeiffer et al., EACL'21] with the query from the shared representation and the keys from the
    members' outputs. Two things are lighter than there: queries and keys meet in r dimensions, and the value is a
    weight ``v_k`` per dimension, not a matrix. ``v_k = 1`` at the start, where the paper has the identity (the sum
    is then ``sum_i a_i A_i(h)``), and ``Q_k = 0``, so that every scenario begins with the mean of its members.
    """

    config: FusionConfig
    source = "AdapterFusion, EACL'21"

    def __init__(self, config: FusionConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.ignores_scenario = False
        self.query_Kdr = nn.Parameter(torch.zeros(n_scenarios, d_model, config.rank))
        self.key_Krd = nn.Parameter(torch.randn(n_scenarios, config.rank, d_model) / d_model**0.5)
        self.value_Kd = nn.Parameter(torch.ones(n_scenarios, d_model))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        outputs = [bank(h_Nd, routing) for bank in self.banks()]
        query_Nr = routed_linear(self._normed(h_Nd), self.query_Kdr, routing)
        # The query goes through the keys' matrix, once, instead of every member's output.
        query_Nd = routed_linear(query_Nr, self.key_Krd, routing) / self.config.rank**0.5
        score_NM = torch.stack([(self._normed(out_Nd) * query_Nd).sum(-1) for out_Nd in outputs], -1)
        added_Nd = torch.zeros_like(h_Nd)
        for weight_N, out_Nd in zip(score_NM.softmax(-1).unbind(-1), outputs, strict=True):
            added_Nd = added_Nd + weight_N.unsqueeze(-1) * (out_Nd - h_Nd)
        return h_Nd + routed(self.value_Kd, routing) * added_Nd

    def own_parameters(self) -> dict[str, nn.Parameter]:
        return {"query_Kdr": self.query_Kdr, "key_Krd": self.key_Krd, "value_Kd": self.value_Kd}

    def _normed(self, x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, (self.d_model,))
