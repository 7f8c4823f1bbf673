"""Gradients turned until they agree as much as they used to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from polyscene.errors import ConfigError
from polyscene.training.balancers.aggregated import AggregatedBalancer


@dataclass
class GradvacConfig:
    """Options of the gradient vaccine.

    Args:
        beta: share of a step in the moving average of a pair's cosine.
    """

    beta: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.beta <= 1:
            raise ConfigError(f"beta is {self.beta}", where="balancer 'gradvac'", fix="use 0 to 1, such as 0.5")


class GradvacBalancer(AggregatedBalancer):
    """Each gradient gets, in random order, parts of others until their cosine is the pair's moving average.

    [Wang et al., Gradient Vaccine, ICLR'21]. The mean of the results: the published sum is K times as long. The
    averages of pairs that a step does not hold stay as they are.
    """

    config: GradvacConfig

    def __init__(self, config: GradvacConfig, names: list[str]) -> None:
        super().__init__(config, names)
        self.register_buffer("cosine_KK", torch.zeros(len(names), len(names), dtype=torch.float64))
        self.cosine_KK: Tensor

    def aggregate(self, gramian_KK: Tensor, held: Sequence[int]) -> Tensor:
        from torchjd.aggregation import GradVacWeighting

        weighting: Any = GradVacWeighting(self.config.beta)
        index_H = torch.tensor(held)
        known_KK = self.cosine_KK.cpu()
        # TorchJD forgets its averages when the number of scenarios changes, so they are kept here.
        weighting._phi_t = known_KK[index_H[:, None], index_H]
        weighting._state_key = (len(held), gramian_KK.dtype)
        weight_K = weighting(gramian_KK) / len(held)
        known_KK[index_H[:, None], index_H] = weighting._phi_t
        self.cosine_KK.copy_(known_KK)
        return weight_K
