"""How often each item occurs: what a mixture may add to a score, or take back from it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.priors.counting import counted, per_item

POPULARITY, REPETITION = TERMS = "popularity", "repetition"


class Occurrence(nn.Module):
    """``log(1 + u_i)`` and ``log((1 + n_i) / (1 + u_i))`` of the ``n_i`` rows that ``u_i`` users have with item i.

    The first is the item's popularity, the second says how often one user comes back to it; where nobody has an
    item twice it is 0.

    Args:
        n_items: number N of items.
    """

    def __init__(self, n_items: int) -> None:
        super().__init__()
        for name in ("users_N", "rows_N"):
            self.register_buffer(name, torch.zeros(n_items), persistent=False)
        self.users_N: Tensor
        self.rows_N: Tensor

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        """Count the labelled rows of some phases."""
        _, row = events.rows(phases := list(phases))
        item_M = events.item_R[torch.from_numpy(row).to(events.item_R.device)].long()
        self.rows_N = torch.bincount(item_M, minlength=events.n_items).to(self.rows_N)
        users = np.asarray(events.matrix(phases).sum(axis=0)).ravel()
        self.users_N = torch.from_numpy(users).to(self.users_N)

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        """Both terms of all items for Q histories, ``[2, Q, N]``, see :meth:`polyscene.priors.prior.Prior`."""
        shape = len(past.user_B), len(self.rows_N)
        users_QN, rows_QN = self.users_N.expand(shape), self.rows_N.expand(shape)
        if hidden is not None:
            gone_QN, left_QN = (per_item(rows, counted(rows).float(), shape[1]) for rows in (hidden, past))
            rows_QN = (rows_QN - gone_QN).clamp(min=0)
            # Who still has another row with the item is still one of its users.
            users_QN = (users_QN - ((gone_QN > 0) & (left_QN == 0)).float()).clamp(min=0)
        popularity_QN = torch.log1p(users_QN)
        return torch.stack([popularity_QN, torch.log1p(rows_QN) - popularity_QN])
