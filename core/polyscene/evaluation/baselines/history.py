"""The past of a batch of users, as sparse matrices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from polyscene.data.events import Events
from polyscene.data.phases import Phase

_SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True)
class History:
    """Rows of n users that a method may look at when it scores them, R rows in all.

    Args:
        row_R: int64 which of the n users, ascending.
        item_R: int64 item index.
        value_R: float32 rating, count or weight.
        time_R: int64 unix seconds.
        shape: n users and N items.
    """

    row_R: np.ndarray
    item_R: np.ndarray
    value_R: np.ndarray
    time_R: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def of(cls, events: Events, users: np.ndarray, phases: Iterable[Phase]) -> History:
        """Rows of the given users (in their order) in the given phases."""
        start = events.start_UP.cpu().numpy()[users]
        rows, row = [], []
        for phase in sorted({int(phase) for phase in phases}):
            count = start[:, phase + 1] - start[:, phase]
            row.append(np.repeat(np.arange(len(users)), count))
            within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            rows.append(np.repeat(start[:, phase], count) + within)
        row_R, event_R = np.concatenate(row), np.concatenate(rows)
        order = np.lexsort((event_R, row_R))
        row_R, event_R = row_R[order], event_R[order]
        return cls(
            row_R=row_R,
            item_R=events.item_R.cpu().numpy()[event_R].astype(np.int64),
            value_R=events.value_R.cpu().numpy()[event_R],
            time_R=events.time_R.cpu().numpy()[event_R],
            shape=(len(users), events.n_items),
        )

    def seen(self) -> sparse.csr_matrix:
        """``[n, N]``: 1 where the user has the item."""
        matrix = self._matrix(np.ones(len(self.row_R), dtype=np.float32))
        matrix.data[:] = 1.0
        return matrix

    def values(self) -> sparse.csr_matrix:
        """``[n, N]``: values summed over a user's rows of an item."""
        return self._matrix(self.value_R)

    def counts(self, half_life_days: float = 0.0) -> sparse.csr_matrix:
        """``[n, N]``: rows per item, each halved for every half-life before the user's last row (if positive)."""
        weight_R = np.ones(len(self.row_R), dtype=np.float32)
        if half_life_days > 0 and len(self.row_R):
            last_n = np.full(self.shape[0], np.iinfo(np.int64).min)
            np.maximum.at(last_n, self.row_R, self.time_R)
            age_R = (last_n[self.row_R] - self.time_R) / (_SECONDS_PER_DAY * half_life_days)
            weight_R = (0.5**age_R).astype(np.float32)
        return self._matrix(weight_R)

    def _matrix(self, weight_R: np.ndarray) -> sparse.csr_matrix:
        return sparse.csr_matrix((weight_R, (self.row_R, self.item_R)), shape=self.shape, dtype=np.float32)
