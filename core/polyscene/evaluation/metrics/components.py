"""The core's metrics as components, for configs that want more than what is always reported."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from polyscene.config.validate import bounded
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.evaluation.metrics.beyond_accuracy import novelty
from polyscene.evaluation.metrics.metric import RankingMetric
from polyscene.evaluation.metrics.rank import average_precision, hit, ndcg, recall
from polyscene.evaluation.ranking import Ranking
from polyscene.registry.components import Component


@dataclass
class CutConfig:
    """Options of metrics of the first items of a list.

    Args:
        k: so many items count.
    """

    k: int = bounded(10, at_least=1)


class Ndcg(RankingMetric):
    """Normalized discounted cumulative gain of the first k."""

    def values(self, ranking: Ranking, events: Events) -> Tensor:
        return ndcg(ranking, self.config.k)


class Recall(RankingMetric):
    """Share of the targets that are among the first k."""

    def values(self, ranking: Ranking, events: Events) -> Tensor:
        return recall(ranking, self.config.k)


class Hit(RankingMetric):
    """Whether any target is among the first k."""

    def values(self, ranking: Ranking, events: Events) -> Tensor:
        return hit(ranking, self.config.k)


class AveragePrecision(RankingMetric):
    """Precision at each target among the first k; its mean over users is MAP@k."""

    def values(self, ranking: Ranking, events: Events) -> Tensor:
        return average_precision(ranking, self.config.k)


class Novelty(RankingMetric):
    """Self-information of the recommended items, in bits: how few people knew them."""

    def values(self, ranking: Ranking, events: Events) -> Tensor:
        people_N = np.asarray(events.matrix([Phase.TRAIN]).astype(bool).sum(axis=0)).ravel()
        return novelty(ranking.top_BK, torch.from_numpy(people_N).to(ranking.top_BK.device), events.n_users)


COMPONENTS = [
    Component("metric", "ndcg", Ndcg, CutConfig),
    Component("metric", "recall", Recall, CutConfig),
    Component("metric", "hit", Hit, CutConfig),
    Component("metric", "average_precision", AveragePrecision, CutConfig),
    Component("metric", "novelty", Novelty),
]
