"""Weights from how fast each loss falls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene.data.windows import Windows
from polyscene.errors import ConfigError
from polyscene.training.balancers.balancer import Balancer, stacked
from polyscene.training.step import Step


@dataclass
class DwaConfig:
    """Options of dynamic weight averaging.

    Args:
        temperature: T; a large one weighs all scenarios alike.
        every: batches over which a loss is averaged, what an epoch is in the paper.
    """

    temperature: float = 2.0
    every: int = 100

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ConfigError(
                f"temperature is {self.temperature}", where="balancer 'dwa'", fix="use a number above 0, such as 2"
            )
        if self.every < 1:
            raise ConfigError(f"every is {self.every}", where="balancer 'dwa'", fix="use 1 or more")


class DwaBalancer(Balancer):
    """``sum_k w_k L_k`` with ``w = softmax(r / T)``, ``r_k = L_k(t-1) / L_k(t-2)`` [Liu et al., CVPR'19].

    ``L_k(t)`` is the mean of a loss over the t-th stretch of ``every`` batches, over those that hold the scenario.
    Until two are known, r is 1. The published weights are K times these, which start as the plain mean.
    """

    config: DwaConfig

    def __init__(self, config: DwaConfig, names: list[str]) -> None:
        super().__init__(config, names)
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        for name in ("sum_K", "count_K"):
            self.register_buffer(name, torch.zeros(len(names)))
        for name in ("newer_K", "older_K"):
            self.register_buffer(name, torch.full((len(names),), float("nan")))
        self.batches: Tensor
        self.sum_K: Tensor
        self.count_K: Tensor
        self.newer_K: Tensor
        self.older_K: Tensor

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        rate_K = (self.newer_K / self.older_K).nan_to_num(nan=1.0)
        weight_K = (self.in_step(rate_K, losses) / self.config.temperature).softmax(dim=0)
        return (weight_K * stacked(losses)).sum()

    def backward(self, step: Step, batch: Mapping[str, Windows], *, last: bool) -> dict[str, Tensor]:
        losses = super().backward(step, batch, last=last)
        self.remember(step.mean_over_ranks(self.over_scenarios(losses)))
        return losses

    def remember(self, losses_K: Tensor) -> None:
        """Add the losses ``[K]`` of a batch, NaN for scenarios that it does not hold."""
        self.batches += 1
        self.sum_K += losses_K.nan_to_num()
        self.count_K += ~losses_K.isnan()
        ended = self.batches % self.config.every == 0
        # A scenario that the whole stretch did not hold keeps what was known of it.
        rolled_K = ended & (self.count_K > 0)
        self.older_K.copy_(torch.where(rolled_K, self.newer_K, self.older_K))
        self.newer_K.copy_(torch.where(rolled_K, self.sum_K / self.count_K, self.newer_K))
        self.sum_K.masked_fill_(ended, 0.0)
        self.count_K.masked_fill_(ended, 0.0)
