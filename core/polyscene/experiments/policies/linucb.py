"""LinUCB: an item is valued at the most that it may well be worth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene.config.validate import bounded
from polyscene.experiments.policies.linear import LinearConfig, LinearPolicy
from polyscene.experiments.policies.policy import Candidates


@dataclass
class LinUcbConfig(LinearConfig):
    """Options of LinUCB.

    Args:
        alpha: how many standard deviations above its mean an item is valued; 0 does not explore in this way.
    """

    alpha: float = bounded(0.3, at_least=0)


class LinUcb(LinearPolicy):
    """``mean + alpha sqrt(f' A^-1 f)`` [Li, Chu, Langford, Schapire, WWW 2010], with parameters that items share.

    The order is determined, so only ``epsilon`` gives other items a chance at a place.
    """

    name = "linucb"

    def __init__(self, config: LinUcbConfig, d: int) -> None:
        super().__init__(config, d)
        self.alpha = config.alpha

    def values(self, pool: Candidates, context: Tensor | None, generator: torch.Generator) -> Tensor:
        del generator
        feature_Pf = self.pool_features(pool, context)
        width_P = (feature_Pf @ self.root_ff.T).norm(dim=1)
        return (feature_Pf @ self.mean_f + self.alpha * width_P).unsqueeze(0)
