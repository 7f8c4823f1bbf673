"""Laying: the rows of a scenario's data and new ones, in one order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.serving.reactions.rows import NewRows

_SEED = 0x0BD7


@dataclass(frozen=True)
class Laid:
    """All rows of a scenario, those of its data and new ones, in one order.

    Args:
        events: the rows; held-out ones have the phase of validation, those before of training.
        number_R: int64, numbers in the log, 0 for rows of the data.
        old_R: bool, training rows of the data, which may be replayed.
        after: new rows up to this number were learned from before.
    """

    events: Events
    number_R: Tensor
    old_R: Tensor
    after: int = 0

    @property
    def new_R(self) -> Tensor:
        """bool ``[R]``: the new rows that may be learned from."""
        train_R = torch.zeros_like(self.old_R)
        train_R[torch.from_numpy(self.events.rows([Phase.TRAIN])[1])] = True
        return train_R & (self.number_R > self.after)

    def replayed(self, count: int, seed: int) -> Tensor:
        """bool ``[R]``: so many training rows of the data, drawn without replacement."""
        row = self.old_R.nonzero().squeeze(1).numpy()
        drawn = np.random.default_rng([_SEED, seed]).permutation(row)[:count]
        return torch.zeros_like(self.old_R).index_fill_(0, torch.from_numpy(drawn), value=True)


def lay(before: Events, rows: NewRows, held_X: np.ndarray, *, apart: bool, after: int = 0) -> Laid:
    """All rows in one order, new ones of a user behind those of the data.

    Args:
        before: the rows of the data, of all users of ``rows``, on the CPU.
        rows: new rows.
        held_X: bool, which of them are held out.
        apart: whether rows of the data that training never saw come behind all others.
        after: see :class:`Laid`.
    """
    start_UP, count = before.start_UP.numpy(), len(rows)
    count_UP = np.diff(start_UP, axis=1)
    user_R = np.repeat(np.arange(before.n_users), count_UP.sum(axis=1))
    own_R = np.repeat(np.tile(np.arange(len(Phase)), before.n_users), count_UP.ravel())
    phase_R = np.where(apart & (own_R > Phase.KNOWN), np.int64(Phase.TEST), np.int64(Phase.TRAIN))
    phase_X = np.where(held_X, np.int64(Phase.VALIDATION), np.int64(Phase.TRAIN))
    user, phase = np.concatenate([user_R, rows.user_X]), np.concatenate([phase_R, phase_X])
    at = torch.from_numpy(np.lexsort([np.arange(len(user)), phase, user]))
    cells = np.bincount(user * len(Phase) + phase, minlength=before.n_users * len(Phase))
    joined_UP = np.zeros_like(start_UP)
    joined_UP[:, 1:] = cells.reshape(-1, len(Phase)).cumsum(axis=1)
    joined_UP += np.concatenate([[0], joined_UP[:-1, -1].cumsum()])[:, None]

    def joined(old: Tensor, new: np.ndarray | Tensor) -> Tensor:
        return torch.cat([old, torch.as_tensor(new).to(old)])[at]

    events = replace(
        before,
        item_R=joined(before.item_R, rows.item_X),
        value_R=joined(before.value_R, rows.value_X),
        time_R=joined(before.time_R, rows.time_X),
        start_UP=torch.from_numpy(joined_UP),
        # Everybody is asked: whom training did not see is no longer kept apart.
        cold_U=torch.zeros_like(before.cold_U),
        columns={name: joined(column, _unknown(column, count)) for name, column in before.columns.items()},
        labelled_R=None,
    )
    old_R = torch.zeros(len(user_R), dtype=torch.bool)
    old_R[torch.from_numpy(before.rows([Phase.TRAIN])[1])] = True
    number_R = joined(torch.zeros(len(user_R), dtype=torch.int64), rows.number_X)
    return Laid(events, number_R, joined(old_R, np.zeros(count, dtype=bool)), after)


def counted_with(before: Events, rows: NewRows) -> Events:
    """The rows that priors and popularity count: those of the data, and new ones.

    Where few rows of the data have labels, these and the new ones are counted.

    Args:
        before: the rows of the data, on the CPU.
        rows: new rows; their users may be behind the last of ``before``.
    """
    if not len(rows):
        return before
    before = with_empty_users(before, int(rows.user_X.max()) + 1 - before.n_users)
    laid = lay(before, rows, np.zeros(len(rows), dtype=bool), apart=False)
    if before.labelled_R is None:
        return laid.events
    labelled_R = laid.number_R > 0
    labelled_R[~labelled_R] = before.labelled_R
    return replace(laid.events, labelled_R=labelled_R)


def with_empty_users(events: Events, count: int) -> Events:
    """The rows with so many more users, who have none."""
    if count <= 0:
        return events
    last = events.start_UP[-1:, -1:] if events.n_users else torch.zeros(1, 1, dtype=torch.int64)
    return replace(
        events,
        start_UP=torch.cat([events.start_UP, last.expand(count, events.start_UP.shape[1])]),
        cold_U=functional.pad(events.cold_U, (0, count), value=True),
    )


def _unknown(column: Tensor, count: int) -> Tensor:
    """Missing values, as steps have them that are in no row of the data: NaN, -1, the latest of times."""
    if column.dtype == torch.int64:
        return column.max().expand(count) if len(column) else column.new_zeros(count)
    return torch.full((count,), torch.nan if column.is_floating_point() else -1).to(column)
