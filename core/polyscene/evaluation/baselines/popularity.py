"""Popularity: every user gets the items that most rows hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.evaluation.baselines.baseline import TRAIN, Baseline
from polyscene.evaluation.baselines.history import History
from polyscene.registry.components import Component


@dataclass
class PopularityConfig:
    """Options of the popularity baseline.

    Args:
        distinct_users: count an item's users rather than its rows.
    """

    distinct_users: bool = True


class Popularity(Baseline):
    """Number of users (or rows) of each item."""

    def __init__(self, config: PopularityConfig) -> None:
        self.config = config

    def fit(self, events: Events, item_embeddings: np.ndarray | None, phases: tuple[Phase, ...] = TRAIN) -> None:
        _, row = events.rows(phases)
        item = events.item_R.cpu().numpy()[row]
        if self.config.distinct_users:
            item = events.matrix(phases).indices
        self.count_N = np.bincount(item, minlength=events.n_items).astype(np.float32)

    def scores(self, users: np.ndarray, history: History) -> np.ndarray:
        return np.broadcast_to(self.count_N, (len(users), len(self.count_N)))


COMPONENT = Component("baseline", "popularity", Popularity, PopularityConfig)
