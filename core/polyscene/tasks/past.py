"""A sample of what a user did with other items."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polyscene.data.events import Events
from polyscene.data.phases import Phase

# A state in eval mode is the same every time, and reads more rows than a step of training can afford.
_EVAL_FACTOR = 4


class SampledPast(nn.Module):
    """``W LN(mean of v[item, label])`` over a sample of the user's training rows, without those of the item met.

    Every pair of an item and a label has a vector of its own, as in SVD++ [Koren, KDD 2008] with ratings told
    apart [Zheng et al., ICML 2016]. Where the order of rows means nothing, rows on both sides of a target are its
    past; its own row must not be, or its label would be told. ``W = 0`` at the start.

    Args:
        events: the user's rows; those of ``Phase.TRAIN`` are read.
        label_R: bool, the label of every row of ``events``.
        d_model: width d.
        rows: rows of a sample, drawn anew at each step with replacement; in eval mode four times as many, evenly
            spaced over all.
    """

    looked_up = ("vector_Ld",)
    item_M: Tensor
    token_M: Tensor
    start_U: Tensor
    count_U: Tensor

    def __init__(self, events: Events, label_R: Tensor, d_model: int, rows: int) -> None:
        super().__init__()
        self.rows = rows
        user, row = (torch.from_numpy(array) for array in events.rows([Phase.TRAIN]))
        item_M, label_M = events.item_R.cpu()[row], label_R.cpu()[row]
        # One more stands for all who came after training: they have no rows.
        count_U = torch.bincount(user, minlength=events.n_users + 1)
        buffers = {"item_M": item_M, "token_M": 2 * item_M + label_M.int() + 1, "count_U": count_U}
        buffers["start_U"] = count_U.cumsum(0) - count_U
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer, persistent=False)
        # Position 0 is 'no row' and stays zero.
        self.vector_Ld = nn.Parameter(0.02 * torch.randn(2 * events.n_items + 1, d_model))
        self.norm = nn.LayerNorm(d_model)
        self.out = nn.Linear(d_model, d_model, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, user_B: Tensor, item_B: Tensor | None) -> Tensor:
        """``[B, d]`` of users, each about to meet ``item_B`` (None where it is in no training row of theirs)."""
        user_B = user_B.clamp(max=len(self.count_U) - 1)
        count_B1 = self.count_U[user_B].unsqueeze(1)
        if self.training:
            share_BH = torch.rand(len(user_B), self.rows, device=user_B.device)
        else:
            rows = _EVAL_FACTOR * self.rows
            share_BH = ((torch.arange(rows, device=user_B.device) + 0.5) / rows).expand(len(user_B), -1)
        place_BH = self.start_U[user_B].unsqueeze(1) + (share_BH * count_B1).long().minimum(count_B1 - 1)
        place_BH = place_BH.clamp(0, max(len(self.item_M) - 1, 0))
        counts_BH = (count_B1 > 0).expand_as(place_BH)
        if item_B is not None:
            counts_BH = counts_BH & (self.item_M[place_BH] != item_B.unsqueeze(1))
        token_BH = torch.where(counts_BH, self.token_M[place_BH], 0)
        mean_Bd = nn.functional.embedding_bag(token_BH, self.vector_Ld, mode="mean", padding_idx=0)
        return self.out(self.norm(mean_Bd))
