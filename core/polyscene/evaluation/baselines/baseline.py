"""The baseline contract: a control that needs no training beyond statistics."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import DataError
from polyscene.evaluation.baselines.history import History

TRAIN = (Phase.TRAIN,)


class Baseline(ABC):
    """Scores items for users from statistics of rows that may be learned from."""

    @abstractmethod
    def fit(self, events: Events, item_embeddings: np.ndarray | None, phases: tuple[Phase, ...] = TRAIN) -> None:
        """Learns from rows in ``phases``.

        Args:
            events: rows of the scenario.
            item_embeddings: float32 ``[N, h]`` text vectors of items; ``None`` where items have no text.
            phases: what may be learned from; training rows unless a protocol says otherwise.

        Raises:
            DataError: if the data cannot support this baseline, with what would.
        """

    @abstractmethod
    def scores(self, users: np.ndarray, history: History) -> np.ndarray:
        """Float32 scores ``[n, N]``, higher is better.

        Args:
            users: int64 indices of n users.
            history: their rows up to the moment of the recommendation (for a test, train and validation rows).
        """


def need_people(events: Events, name: str) -> None:
    """Refuses events whose items are not the users themselves (as friends are)."""
    if events.n_items != events.n_users:
        raise DataError(
            f"{events.n_users:,} users and {events.n_items:,} items are not the same people",
            where=f"baseline {name}",
            fix="use it in a scenario of links between users only, or choose popularity or item_knn",
        )
