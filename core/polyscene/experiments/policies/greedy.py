"""Greedy and epsilon-greedy: the model's own order, always or nearly always."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene.config.validate import bounded
from polyscene.experiments.policies.policy import Candidates, Policy, PolicyConfig


class Greedy(Policy):
    """Shows the best by the model's score, always.

    Its propensities are 1, so a log of it tells nothing about other lists: explore a little wherever something is
    to be learned.
    """

    name = "greedy"

    def values(self, pool: Candidates, context: Tensor | None, generator: torch.Generator) -> Tensor:
        del context, generator
        return pool.score_K.unsqueeze(0)


@dataclass
class EpsilonConfig(PolicyConfig):
    """Options of epsilon-greedy.

    Args:
        epsilon: share of lists that are random ones of the pool. An estimate for another policy is the less
            certain the smaller it is, and the larger the pool.
    """

    epsilon: float = bounded(0.1, at_least=0, at_most=1)


class Epsilon(Greedy):
    """Shows the best by the model's score, but now and then a random list of the pool.

    Whole lists are random rather than single places: then the probability of an item at a place has a closed form.
    """

    name = "epsilon"
