"""Weights that bring all losses to one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.training.balancers.balancer import Balancer, stacked


class ImtlLBalancer(Balancer):
    """``1/K sum_k (exp(s_k) L_k - s_k)``, IMTL-L [Liu et al., Towards Impartial Multi-task Learning, ICLR'21].

    ``s_k`` is learned from 0; where it has settled, every weighted loss ``exp(s_k) L_k`` is 1. The published sum
    is K times this, which starts as the plain mean.
    """

    def __init__(self, config: Any, names: list[str]) -> None:
        super().__init__(config, names)
        self.s_K = nn.Parameter(torch.zeros(len(names)))

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        s_K = self.in_step(self.s_K, losses)
        return (torch.exp(s_K) * stacked(losses) - s_K).mean()
