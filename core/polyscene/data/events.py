"""Interactions as flat tensors: one copy, every history a window over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from polyscene.data.phases import Phase


@dataclass(frozen=True)
class Events:
    """Interactions of one scenario, sorted by user, then phase, then time.

    ``start_UP[u, p]`` to ``start_UP[u, p + 1]`` are the rows of user ``u`` in phase ``p``; as rows of a user
    are neighbours, any history is a window and is never copied. R rows, U users, N items, P phases + 1.

    Args:
        item_R: int32 item index of each row.
        value_R: float32 rating, count or weight of each row (1 where the source has none).
        time_R: int64 unix seconds, all 0 where the source has no times (see ``ordered``).
        start_UP: int64 ``[U, 6]`` row pointers, one column per phase and the end.
        n_items: number of items N.
        cold_N: bool, the items that no row before ``Phase.COLD`` holds because the split took them out.
        cold_U: bool, the users that the split kept out of training.
        ordered: whether the order of a user's rows within a phase means anything.
        together: whether rows of a user with the same time happened at once, as in a basket.
        columns: further columns per row (declared as event columns by the scenario).
        labelled_R: bool, the rows that may be learned from and counted where a scenario has a few labels only
            (:mod:`polyscene.data.shots`); the others are context. None: each row is what its phase says.
    """

    item_R: Tensor
    value_R: Tensor
    time_R: Tensor
    start_UP: Tensor
    n_items: int
    cold_N: Tensor
    cold_U: Tensor
    ordered: bool = True
    together: bool = False
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    labelled_R: Tensor | None = None

    @property
    def n_users(self) -> int:
        return self.start_UP.shape[0]

    def rows(self, phases: Iterable[Phase], *, context: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """``(user, row)`` of rows in the given phases: int64 arrays of equal length, user ascending.

        Args:
            phases: which rows.
            context: also those that are not labelled, which nothing may be learned from.
        """
        wanted = {int(phase) for phase in phases}
        start = self.start_UP.cpu().numpy()
        users, rows = [], []
        for phase in sorted(wanted):
            count = start[:, phase + 1] - start[:, phase]
            users.append(np.repeat(np.arange(self.n_users), count))
            within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            rows.append(np.repeat(start[:, phase], count) + within)
        user, row = np.concatenate(users), np.concatenate(rows)
        order = np.argsort(row, kind="stable")
        if self.labelled_R is not None and not context:
            order = order[self.labelled_R.cpu().numpy()[row[order]]]
        return user[order], row[order]

    def matrix(self, phases: Iterable[Phase], *, weights: bool = False) -> sparse.csr_matrix:
        """User by item CSR matrix of labelled rows in the given phases: 1 where one exists, or summed values."""
        user, row = self.rows(phases)
        item = self.item_R.cpu().numpy()[row]
        value = self.value_R.cpu().numpy()[row] if weights else np.ones(len(row), dtype=np.float32)
        matrix = sparse.csr_matrix((value, (user, item)), shape=(self.n_users, self.n_items), dtype=np.float32)
        if not weights:
            matrix.data[:] = 1.0
        return matrix

    def to(self, device: torch.device | str) -> Events:
        move = {
            name: getattr(self, name).to(device)
            for name in ("item_R", "value_R", "time_R", "start_UP", "cold_N", "cold_U")
        }
        columns = {name: column.to(device) for name, column in self.columns.items()}
        labelled_R = None if self.labelled_R is None else self.labelled_R.to(device)
        return replace(self, **move, columns=columns, labelled_R=labelled_R)
