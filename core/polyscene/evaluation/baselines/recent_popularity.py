"""Recent popularity: rows per item in the last days before training ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import DataError
from polyscene.evaluation.baselines.baseline import TRAIN, Baseline
from polyscene.evaluation.baselines.history import History
from polyscene.registry.components import Component

_SECONDS_PER_DAY = 86_400


@dataclass
class RecentPopularityConfig:
    """Options of the recent popularity baseline.

    Args:
        days: length of the window that ends with the last training row.
        distinct_users: count an item's users in the window rather than its rows.
    """

    days: float = 56.0
    distinct_users: bool = True


class RecentPopularity(Baseline):
    """Number of users (or rows) of each item in the window."""

    def __init__(self, config: RecentPopularityConfig) -> None:
        self.config = config

    def fit(self, events: Events, item_embeddings: np.ndarray | None, phases: tuple[Phase, ...] = TRAIN) -> None:
        user, row = events.rows(phases)
        time = events.time_R.cpu().numpy()[row]
        if not len(time) or time.max() == time.min():
            raise DataError(
                "the training rows have no times", where="baseline recent_popularity", fix="use popularity instead"
            )
        recent = time > time.max() - self.config.days * _SECONDS_PER_DAY
        item = events.item_R.cpu().numpy()[row[recent]].astype(np.int64)
        if self.config.distinct_users:
            item = np.unique(user[recent] * events.n_items + item) % events.n_items
        self.count_N = np.bincount(item, minlength=events.n_items).astype(np.float32)

    def scores(self, users: np.ndarray, history: History) -> np.ndarray:
        return np.broadcast_to(self.count_N, (len(users), len(self.count_N)))


COMPONENT = Component("baseline", "recent_popularity", RecentPopularity, RecentPopularityConfig)
