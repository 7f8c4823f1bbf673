"""Weights from learned uncertainties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.training.balancers.balancer import Balancer, stacked


class UncertaintyBalancer(Balancer):
    """``1/K sum_k (exp(-s_k) L_k + s_k)`` [Kendall, Gal and Cipolla, CVPR'18].

    ``s_k``, the logarithm of a scenario's variance, is learned from 0. The published sum is ``K / 2`` times this,
    which starts as the plain mean.
    """

    def __init__(self, config: Any, names: list[str]) -> None:
        super().__init__(config, names)
        self.s_K = nn.Parameter(torch.zeros(len(names)))

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        s_K = self.in_step(self.s_K, losses)
        return (torch.exp(-s_K) * stacked(losses) + s_K).mean()
