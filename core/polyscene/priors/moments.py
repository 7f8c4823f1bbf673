"""Moments of training: what a user had when a row happened, and what the statistics must not know then."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows, take_windows, windows_of_rows


@dataclass(frozen=True)
class Moments:
    """Q rows to be predicted.

    Args:
        past: what each user had before, ``[Q, L]``.
        hidden: what is left out of statistics, ``[Q, H]``: the row itself and, where rows have an order, all that
            the user has from that moment on in training.
        item_Q: the item of each row.
    """

    past: Windows
    hidden: Windows
    item_Q: Tensor


def moments(events: Events, user_Q: Tensor, row_Q: Tensor, longest: int) -> Moments:
    """The moments of some training rows.

    Args:
        events: the rows, on the device.
        user_Q: the user of each row.
        row_Q: training rows; only labelled ones where a few are.
        longest: rows that are read on either side.
    """
    start_Q, stop_Q = events.start_UP[user_Q, Phase.TRAIN], events.start_UP[user_Q, Phase.TRAIN + 1]
    item_Q = events.item_R[row_Q].long()
    if not events.ordered:
        # A row is predicted from all the others of the user, as it will be at the test.
        first_Q = torch.maximum(start_Q, stop_Q - longest)
        others = take_windows(events, user_Q, first_Q, stop_Q, longest)
        others = _without(others, others.row_BT == row_Q.unsqueeze(1))
        row_Q1 = row_Q.unsqueeze(1)
        hidden = windows_of_rows(events, user_Q, row_Q1, torch.ones_like(row_Q1, dtype=torch.bool))
        return Moments(others, hidden, item_Q)
    past = take_windows(events, user_Q, torch.maximum(start_Q, row_Q - longest), row_Q, longest)
    since_Q = row_Q
    if events.together:  # what was bought at once is as unknown as the row itself
        same_QL = past.valid_BT & (past.time_BT == events.time_R[row_Q].unsqueeze(1))
        since_Q = row_Q - same_QL.sum(dim=1)
        past = _without(past, same_QL)
    hidden = take_windows(events, user_Q, since_Q, torch.minimum(stop_Q, since_Q + longest), longest)
    return Moments(past, hidden, item_Q)


def facts_asked(events: Events, user_Q: Tensor, row_Q: Tensor) -> Moments:
    """The moments of facts: to know which tail completes it, all others may be known."""
    row_Q1 = row_Q.unsqueeze(1)
    hidden = windows_of_rows(events, user_Q, row_Q1, torch.ones_like(row_Q1, dtype=torch.bool))
    return Moments(unanswered(hidden, events.n_items), hidden, hidden.item_BT[:, 0])


def unanswered(asked: Windows, n_items: int) -> Windows:
    """Facts that are asked for, with N for the tails, so that nobody can read what is to be found."""
    return replace(asked, item_BT=torch.full_like(asked.item_BT, n_items))


def latest(windows: Windows, length: int) -> Windows:
    """The last rows of each window, at most so many."""
    if windows.row_BT.shape[1] <= length:
        return windows
    count_Q1 = windows.length_B.unsqueeze(1)
    place_QT = torch.arange(length, device=count_Q1.device) + (count_Q1 - length).clamp(min=0)
    return _at(windows, place_QT)


def _without(windows: Windows, left_out_QL: Tensor) -> Windows:
    """The windows without some rows; what is left keeps its order and stands at the front."""
    kept_QL = windows.valid_BT & ~left_out_QL
    return _at(replace(windows, valid_BT=kept_QL), (~kept_QL).long().argsort(dim=1, stable=True))


def _at(windows: Windows, place_QT: Tensor) -> Windows:
    """The rows at some places, int64 ``[Q, T]``."""

    def taken(column_QL: Tensor) -> Tensor:
        return column_QL.gather(1, place_QT)

    return replace(
        windows,
        row_BT=taken(windows.row_BT),
        valid_BT=taken(windows.valid_BT),
        item_BT=taken(windows.item_BT),
        value_BT=taken(windows.value_BT),
        time_BT=taken(windows.time_BT),
        columns={name: taken(column) for name, column in windows.columns.items()},
        labelled_BT=None if windows.labelled_BT is None else taken(windows.labelled_BT),
    )
