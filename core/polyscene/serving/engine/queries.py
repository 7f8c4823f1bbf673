"""Requests of one scenario as one query of its catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from polyscene.data.windows import Windows, windows_of_rows
from polyscene.priors.mixture import LONGEST
from polyscene.retrieval import Query
from polyscene.retrieval.pairs import Pairs
from polyscene.serving.engine.asked import Asked
from polyscene.serving.engine.shelf import Shelf


def query_of(shelf: Shelf, asked: Sequence[Asked]) -> Query:
    """What B requests ask, under the view of the first."""
    device, user_B = shelf.device, torch.tensor([one.user for one in asked])
    pasts, past = _Pasts(shelf, asked, user_B), None
    if shelf.model.mixture(shelf.name) is not None:
        past = pasts.windows(max(1, min(LONGEST, int(pasts.count_B.max()))))
    return Query(
        user_B.to(device),
        pasts.windows(shelf.loaded.config.max_history),
        asked[0].view.name,
        past,
        _left_out(shelf, asked),
        _candidates([one.only for one in asked], len(shelf.ids)),
    )


class _Pasts:
    """The pasts of B requests: rows of the data, then X further steps one request after the other."""

    def __init__(self, shelf: Shelf, asked: Sequence[Asked], user_B: Tensor) -> None:
        self.shelf, self.user_B, device = shelf, user_B.to(shelf.device), shelf.device
        steps = [one.read.steps for one in asked]
        self.start_B = torch.tensor([one.read.start for one in asked], device=device)
        self.rows_B = torch.tensor([one.read.stop - one.read.start for one in asked], device=device)
        more = [len(one.items) for one in steps]
        self.count_B = self.rows_B + torch.tensor(more, device=device)
        self.first_B = torch.tensor(np.cumsum([0, *more])[:-1], device=device)
        self.item_X = torch.tensor([item for one in steps for item in one.items], device=device)
        self.value_X = torch.tensor([value for one in steps for value in one.values], device=device)
        self.time_X = torch.tensor([time for one in steps for time in one.times], device=device)
        # A text is read as a user of its own would be; of other steps nothing is known but item, value and time.
        rows = [range(one.by_text * len(one.read.steps.items)) or [0] * len(one.read.steps.items) for one in asked]
        self.row_X = torch.tensor([shelf.blank + row for own in rows for row in own], device=device)

    def windows(self, length: int) -> Windows:
        """The last ``length`` steps of each, as :func:`polyscene.data.windows.take_windows` gives rows."""
        events, offset_T = self.shelf.events, torch.arange(length, device=self.start_B.device)
        place_BT = (self.count_B - length).clamp(min=0).unsqueeze(1) + offset_T
        valid_BT = place_BT < self.count_B.unsqueeze(1)
        row_BT = (self.start_B.unsqueeze(1) + place_BT).clamp(max=len(events.item_R) - 1)
        if not len(self.item_X):
            return windows_of_rows(events, self.user_B, row_BT, valid_BT)
        more_BT = place_BT - self.rows_B.unsqueeze(1)
        is_more_BT = valid_BT & (more_BT >= 0)
        which_BT = (self.first_B.unsqueeze(1) + more_BT).clamp(0, len(self.item_X) - 1)
        row_BT = torch.where(is_more_BT, self.row_X[which_BT], row_BT)
        windows = windows_of_rows(events, self.user_B, row_BT, valid_BT)
        return replace(
            windows,
            item_BT=torch.where(is_more_BT, self.item_X[which_BT], windows.item_BT),
            value_BT=torch.where(is_more_BT, self.value_X[which_BT].to(windows.value_BT), windows.value_BT),
            time_BT=torch.where(is_more_BT, self.time_X[which_BT], windows.time_BT),
        )


def _left_out(shelf: Shelf, asked: Sequence[Asked]) -> Pairs | None:
    """What each is not to be shown: nobody is recommended to themselves."""
    seen = [(row, one.seen) for row, one in enumerate(asked) if one.seen is not None]
    pairs = [(row, item) for row, past in seen for item in past.steps.items]
    pairs += [(row, item) for row, one in enumerate(asked) for item in one.exclude]
    if shelf.own_item_U is not None:
        own_item_B = shelf.own_item_U[[one.user for one in asked]]
        pairs += [(row, item) for row, item in enumerate(own_item_B.tolist()) if item >= 0]
    row_M, item_M = torch.tensor(pairs, dtype=torch.int64, device=shelf.device).view(-1, 2).unbind(1)
    if seen:
        bounds = [(past.start, past.stop) for _, past in seen]
        start_S, stop_S = torch.tensor(bounds, device=shelf.device).unbind(1)
        had = Pairs.of_windows(shelf.events.item_R, start_S, stop_S)
        rows_S = torch.tensor([row for row, _ in seen], device=shelf.device)
        row_M, item_M = torch.cat([row_M, rows_S[had.row_M]]), torch.cat([item_M, had.item_M])
    return Pairs(row_M, item_M) if len(row_M) else None


def _candidates(only: list[Tensor | None], n_items: int) -> Tensor | None:
    """bool ``[N]`` where all requests agree, ``[B, N]`` where they do not, None where none restricts anything."""
    first = only[0]
    if all(one is first for one in only):
        return first
    device = next(one.device for one in only if one is not None)
    all_N = torch.ones(n_items, dtype=torch.bool, device=device)
    return torch.stack([all_N if one is None else one for one in only])
