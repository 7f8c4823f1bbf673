"""Loss weights that make all scenarios learn at one rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene.errors import ConfigError
from polyscene.training.balancers.gradient import GradientBalancer


@dataclass
class GradnormConfig:
    """Options of gradient normalization.

    Args:
        alpha: how strongly scenarios that are behind are pulled along; 0 makes all gradients equally long.
        lr: how far the weights move in a step.
    """

    alpha: float = 1.5
    lr: float = 0.025

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ConfigError(f"{name} is {value}", where="balancer 'gradnorm'", fix="use 0 or more")


class GradnormBalancer(GradientBalancer):
    """``1/K sum_k v_k L_k`` with learned ``v`` [Chen et al., GradNorm, ICML'18].

    ``v_k`` goes against the sign of ``|v_k g_k| - m r_k^alpha`` times ``|g_k| / m``, where m is the mean of
    ``|v_k g_k|`` and ``r_k`` the loss in parts of the scenario's first one, over its mean; then v is scaled to the
    sum K. Unlike the paper's, the gradients are those of all shared parameters instead of the last shared layer,
    and their lengths are taken in parts of m, so that their unit means nothing.
    """

    config: GradnormConfig

    def __init__(self, config: GradnormConfig, names: list[str]) -> None:
        super().__init__(config, names)
        self.register_buffer("weight_K", torch.ones(len(names)))
        self.register_buffer("first_K", torch.full((len(names),), float("nan")))
        self.weight_K: Tensor
        self.first_K: Tensor

    def scale(self, name: str) -> Tensor:
        return self.weight_K[self.index[name]]

    def weigh(self, gramian_KK: Tensor, held: Sequence[int], losses_K: Tensor) -> Tensor:
        tiny = torch.finfo(gramian_KK.dtype).tiny
        index_H = torch.tensor(held, device=self.weight_K.device)
        weight_H, first_H = self.weight_K[index_H], self.first_K[index_H]
        first_H = torch.where(first_H.isnan(), losses_K, first_H)
        rate_H = losses_K / first_H.clamp(min=tiny)
        norm_H = gramian_KK.diagonal().sqrt()
        reaching_H = (norm_H > 0).to(norm_H.dtype)  # others have no gradient that could be too long or too short
        count = reaching_H.sum().clamp(min=1)
        mean = (norm_H.sum() / count).clamp(min=tiny)
        mean_rate = ((rate_H * reaching_H).sum() / count).clamp(min=tiny)
        target_H = mean * (rate_H / mean_rate) ** self.config.alpha
        moved_H = weight_H - self.config.lr * (norm_H - target_H).sign() * norm_H / (weight_H * mean)
        # A weight of 0 would never come back: its gradient has no length.
        moved_H = torch.where(moved_H.isfinite(), moved_H, weight_H).clamp(min=1e-3)
        # Their own sum is kept, so that scenarios that the step does not hold keep their weight.
        self.weight_K[index_H] = moved_H * (weight_H.sum() / moved_H.sum())
        self.first_K[index_H] = first_H
        return torch.full_like(norm_H, 1 / len(held))
