"""Thompson sampling: an item is shown as often as it may be the best, as far as is known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene.config.validate import bounded
from polyscene.experiments.policies.linear import LinearConfig, LinearPolicy
from polyscene.experiments.policies.policy import Candidates


@dataclass
class ThompsonConfig(LinearConfig):
    """Options of Thompson sampling.

    Args:
        noise: standard deviation of a single reward; clicks at a rate p have ``sqrt(p (1 - p))``.
        draws: models that are drawn for each list, one of which is followed.
    """

    noise: float = bounded(0.3, at_least=0)
    draws: int = bounded(64, at_least=1, at_most=4096)


class Thompson(LinearPolicy):
    """Draws linear models from what is known, and follows one of them [Agrawal and Goyal, ICML 2013].

    The list is that of a single draw from the posterior. ``draws`` of them are made so that propensities are exact
    given the draws (see :class:`Policy`), where those of plain Thompson sampling could only be estimated.
    """

    name = "thompson"

    def __init__(self, config: ThompsonConfig, d: int) -> None:
        super().__init__(config, d)
        self.noise, self.draws = config.noise, config.draws

    def values(self, pool: Candidates, context: Tensor | None, generator: torch.Generator) -> Tensor:
        normal_Sf = torch.randn(self.draws, len(self.mean_f), generator=generator, dtype=torch.float64).to(
            self.mean_f.device
        )
        weight_Sf = self.mean_f + self.noise * normal_Sf @ self.root_ff
        return weight_Sf @ self.pool_features(pool, context).T
