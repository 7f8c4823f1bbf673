"""The metric contract: a figure of each ranked list."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from polyscene.contract import with_shape
from polyscene.data.events import Events
from polyscene.evaluation.ranking import Ranking


class RankingMetric(ABC):
    """One number for each of B rankings; what is reported is their mean, with its standard error.

    A config chooses metrics beside those that are always reported, as in ``metrics=[{name: ndcg, k: 5}]``.

    Args:
        config: the metric's options.
    """

    def __init__(self, config: Any) -> None:
        self.config = config

    def __call__(self, ranking: Ranking, events: Events) -> Tensor:
        fix = "a metric gives one value for each ranking, NaN where it has none"
        return with_shape(self.values(ranking, events), (ranking.n_rows,), self, fix)

    @abstractmethod
    def values(self, ranking: Ranking, events: Events) -> Tensor:
        """Values ``[B]``; NaN for a ranking that has none, such as one without targets.

        Args:
            ranking: where the targets of B requests ended up, and the first 10 items of each.
            events: the scenario's rows; statistics come from ``Phase.TRAIN`` rows only.
        """
