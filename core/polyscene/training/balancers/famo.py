"""Weights that let all losses fall at one rate, from losses alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene.data.windows import Windows
from polyscene.errors import ConfigError
from polyscene.training.balancers.balancer import Balancer, stacked
from polyscene.training.step import Step

_TINY = 1e-8
# Of Adam, which trains the logits as in the authors' code.
_BETA1, _BETA2 = 0.9, 0.999


@dataclass
class FamoConfig:
    """Options of fast adaptive multitask optimization.

    Args:
        lr: learning rate of the logits.
        weight_decay: how strongly the logits are drawn back to 0, where all scenarios count alike.
    """

    lr: float = 0.025
    weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ConfigError(f"{name} is {value}", where="balancer 'famo'", fix="use 0 or more")


class FamoBalancer(Balancer):
    """``c sum_k z_k log L_k`` with ``z = softmax(w)`` and ``c = 1 / sum_k (z_k / L_k)`` [Liu et al., NeurIPS'23].

    After each step the last batch is looked at once more (a forward pass without gradients, about a third of a
    step): ``w`` takes a step of Adam against ``d_k = log L_k(before) - log L_k(after)`` through the softmax, so
    that scenarios whose loss fell less count more. Losses must be positive. Scenarios that a step does not hold
    keep their logit.
    """

    config: FamoConfig

    def __init__(self, config: FamoConfig, names: list[str]) -> None:
        super().__init__(config, names)
        for name in ("logit_K", "mean_K", "square_K", "updates_K"):
            self.register_buffer(name, torch.zeros(len(names)))
        self.logit_K: Tensor
        self.mean_K: Tensor
        self.square_K: Tensor
        self.updates_K: Tensor

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        z_K, values_K = self.in_step(self.logit_K, losses).softmax(dim=0), stacked(losses) + _TINY
        return (z_K * values_K.log()).sum() / (z_K / values_K.detach()).sum()

    def after_step(
        self, step: Step, number: int, batch: Mapping[str, Windows], losses: Mapping[str, Tensor]
    ) -> None:
        again = step.losses_again(number, batch)
        before_K, after_K = (step.mean_over_ranks(self.over_scenarios(found)) for found in (losses, again))
        self.learn(before_K, after_K)

    def learn(self, before_K: Tensor, after_K: Tensor) -> None:
        """A step of the logits from losses ``[K]`` before and after an update, NaN for scenarios without."""
        held_K = ~before_K.isnan()
        fallen_K = ((before_K + _TINY).log() - (after_K + _TINY).log()).nan_to_num()
        z_K = self.logit_K.masked_fill(~held_K, -torch.inf).softmax(dim=0)
        gradient_K = z_K * (fallen_K - (z_K * fallen_K).sum()) + self.config.weight_decay * self.logit_K
        self.updates_K += held_K
        mean_K = self.mean_K.lerp(gradient_K, 1 - _BETA1)
        square_K = self.square_K.lerp(gradient_K.square(), 1 - _BETA2)
        unbiased_K = (square_K / (1 - _BETA2**self.updates_K)).sqrt()
        moved_K = self.logit_K - self.config.lr * mean_K / (1 - _BETA1**self.updates_K) / (unbiased_K + _TINY)
        for state_K, new_K in ((self.mean_K, mean_K), (self.square_K, square_K), (self.logit_K, moved_K)):
            state_K.copy_(torch.where(held_K, new_K, state_K))
