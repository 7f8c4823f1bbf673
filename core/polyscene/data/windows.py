"""Windows: rows of a batch, each a stretch of one user's flat event rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from polyscene.data.events import Events


@dataclass  # not frozen: Fabric converts the numbers of its fields to its precision
class Windows:
    """B windows of at most T rows of one scenario, padded at the end.

    Args:
        user_B: int64 user index.
        row_BT: int64 row of :class:`Events` at each position; padded positions repeat a row that exists.
        valid_BT: bool, which positions hold a row of the window.
        item_BT: int64 item index.
        value_BT: float32 value (rating, count).
        time_BT: int64 unix seconds.
        columns: further event columns ``[B, T]``.
        ordered: whether positions mean anything.
        together: whether steps with the same time happened at once.
        labelled_BT: bool, the steps that are learned from; the others are context. None: all valid ones.
    """

    user_B: Tensor
    row_BT: Tensor
    valid_BT: Tensor
    item_BT: Tensor
    value_BT: Tensor
    time_BT: Tensor
    columns: Mapping[str, Tensor]
    ordered: bool
    together: bool = False
    labelled_BT: Tensor | None = None

    @property
    def learned_BT(self) -> Tensor:
        """bool ``[B, T]``: the steps that a loss counts."""
        return self.valid_BT if self.labelled_BT is None else self.labelled_BT

    @property
    def length_B(self) -> Tensor:
        """Number ``[B]`` of valid positions of each window."""
        return self.valid_BT.sum(dim=1)

    def some(self, rows: slice | Tensor) -> Windows:
        """Some of the windows, by a slice or by int64 positions."""
        tensors = {f.name: one[rows] for f in fields(self) if isinstance(one := getattr(self, f.name), Tensor)}
        columns = {name: column[rows] for name, column in self.columns.items()}
        return replace(self, **tensors, columns=columns)

    def first_together_BT(self) -> Tensor:
        """For each step, the first step of the window that happened at the same time (itself, where none did)."""
        position_T = torch.arange(self.time_BT.shape[1], device=self.time_BT.device)
        begins_BT = torch.ones_like(self.valid_BT)
        begins_BT[:, 1:] = self.time_BT[:, 1:] != self.time_BT[:, :-1]
        return torch.where(begins_BT, position_T, 0).cummax(dim=1).values


def take_windows(events: Events, user_B: Tensor, start_B: Tensor, stop_B: Tensor, length: int) -> Windows:
    """Rows ``start`` to ``stop`` of the flat events as windows of width ``length``: index lookups only."""
    offset_T = torch.arange(length, device=start_B.device)
    row_BT = start_B.unsqueeze(1) + offset_T
    valid_BT = row_BT < stop_B.unsqueeze(1)
    row_BT = row_BT.clamp(max=max(len(events.item_R) - 1, 0))
    return windows_of_rows(events, user_B, row_BT, valid_BT)


def windows_of_rows(events: Events, user_B: Tensor, row_BT: Tensor, valid_BT: Tensor) -> Windows:
    """Windows over given rows (which need not be neighbors, as after shuffling an unordered history)."""
    return Windows(
        user_B=user_B,
        row_BT=row_BT,
        valid_BT=valid_BT,
        item_BT=events.item_R[row_BT].long(),
        value_BT=events.value_R[row_BT],
        time_BT=events.time_R[row_BT],
        columns={name: column[row_BT] for name, column in events.columns.items()},
        ordered=events.ordered,
        together=events.together,
        labelled_BT=None if events.labelled_R is None else events.labelled_R[row_BT] & valid_BT,
    )
