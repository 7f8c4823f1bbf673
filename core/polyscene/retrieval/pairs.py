"""Pairs of a request and an item: what is left out of a list, what should be found in it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene.data.events import Events


@dataclass(frozen=True)
class Pairs:
    """M pairs of a row of the batch and an item.

    Args:
        row_M: int64 row of the batch.
        item_M: int64 item index.
    """

    row_M: Tensor
    item_M: Tensor

    @classmethod
    def of_windows(cls, item_R: Tensor, start_B: Tensor, stop_B: Tensor) -> Pairs:
        """Pairs of CSR rows: row ``b`` holds ``item_R[start_B[b]:stop_B[b]]`` (empty where they are equal)."""
        count_B = stop_B - start_B
        row_M = torch.repeat_interleave(count_B)
        first_B = start_B - count_B.cumsum(0) + count_B
        position_M = torch.arange(len(row_M), device=row_M.device) + first_B[row_M]
        return cls(row_M, item_R[position_M].long())

    def between(self, first: int, stop: int) -> Pairs:
        """Those of the items ``first`` to ``stop``, which are counted from ``first`` on."""
        inside_M = (self.item_M >= first) & (self.item_M < stop)
        return Pairs(self.row_M[inside_M], self.item_M[inside_M] - first)

    def of_rows(self, row_R: Tensor, n_rows: int) -> Pairs:
        """Those of some of ``n_rows`` rows (int64 ``[R]``), which are numbered anew."""
        place_B = torch.full((n_rows,), -1, device=row_R.device).index_copy_(
            0, row_R, torch.arange(len(row_R), device=row_R.device)
        )
        place_M = place_B[self.row_M]
        return Pairs(place_M[place_M >= 0], self.item_M[place_M >= 0])


def left_out(
    events: Events, start_B: Tensor, stop_B: Tensor, *, mask_history: bool, own_item_B: Tensor | None
) -> Pairs | None:
    """What B users are not to be shown: items of their past, and where items are people, themselves.

    Args:
        events: the scenario's rows.
        start_B, stop_B: each user's past.
        mask_history: whether what a user had is left out.
        own_item_B: int64, the item that each user is; None where items are no people.
    """
    masked = Pairs.of_windows(events.item_R, start_B, stop_B) if mask_history else None
    if own_item_B is None:
        return masked
    own = Pairs(torch.arange(len(own_item_B), device=own_item_B.device), own_item_B)
    if masked is None:
        return own
    return Pairs(torch.cat([masked.row_M, own.row_M]), torch.cat([masked.item_M, own.item_M]))
