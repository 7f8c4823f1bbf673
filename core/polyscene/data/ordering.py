"""Rows grouped by user with four bytes per row and small temporaries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from polyscene.data.ids import BLOCK, blocks, counts


@dataclass(frozen=True)
class Grouped:
    """Row numbers grouped by user, in row order within a user.

    Args:
        row_R: row numbers (int32 below 2**31 rows), user after user.
        start_U: int64 ``[U + 1]``: rows of user u are ``row_R[start_U[u]:start_U[u + 1]]``.
    """

    row_R: np.ndarray
    start_U: np.ndarray

    def parts(self, size: int = BLOCK) -> Iterator[tuple[slice, np.ndarray]]:
        """Stretches of ``row_R`` of about ``size`` rows that never cut a user, and the user of each row."""
        first, n_users = 0, len(self.start_U) - 1
        while first < n_users:
            limit = self.start_U[first] + size
            last = max(int(np.searchsorted(self.start_U, limit, side="right")) - 1, first + 1)
            length_U = np.diff(self.start_U[first : last + 1])
            user_B = np.repeat(np.arange(first, last), length_U)
            yield slice(int(self.start_U[first]), int(self.start_U[last])), user_B
            first = last


def group_by_user(user_R: np.ndarray, n_users: int) -> Grouped:
    """A stable counting sort of row numbers by user, block by block."""
    start_U = np.concatenate([[0], np.cumsum(counts(user_R, n_users))])
    free_U = start_U[:-1].copy()  # where the next row of each user goes
    row_R = np.empty(len(user_R), dtype=np.int32 if len(user_R) < 2**31 else np.int64)
    for block in blocks(len(user_R)):
        order_B = np.argsort(user_R[block], kind="stable")
        user_B = user_R[block][order_B]
        new_B = np.flatnonzero(np.diff(user_B, prepend=-1))
        run_B = np.diff(np.append(new_B, len(user_B)))
        within_B = np.arange(len(user_B)) - np.repeat(new_B, run_B)
        row_R[free_U[user_B] + within_B] = order_B + block.start
        free_U[user_B[new_B]] += run_B
    return Grouped(row_R, start_U)
