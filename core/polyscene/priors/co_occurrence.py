"""Co-occurrence: what came soon after the items of the history, in everybody's histories."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from polyscene.config.validate import bounded
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import DataError
from polyscene.priors.counting import counted, last_places, log_above
from polyscene.priors.prior import Prior, PriorConfig, PriorData
from polyscene.registry.components import Component

# The matrix is kept dense up to so many items (100 MB), and as lists of followers above.
_DENSE_ITEMS = 5_000


@dataclass
class CoOccurrenceConfig(PriorConfig):
    """Options of the co-occurrence prior.

    Args:
        window: how many rows later an item still counts as following.
        decay: weight of a row of the history relative to the one after it.
        depth: rows of the history that count.
        smoothing: imagined weight of followers of each item, so that rare ones are not believed at once.
        unit: chance from which on the score grows with its logarithm.
        followers: how many followers of each item are kept in catalogues of more than 5,000.
    """

    window: int = bounded(10, at_least=1)
    decay: float = bounded(0.6, at_least=0, at_most=1)
    depth: int = bounded(16, at_least=1)
    smoothing: float = bounded(1.0, at_least=0)
    unit: float = bounded(1e-4, at_least=1e-9)
    followers: int = bounded(512, at_least=1)


class CoOccurrence(Prior):
    """``log(1 + s_ui / unit)`` with ``s_ui = sum_a decay^(a-1) W[j_a, i] / (sum_i' W[j_a, i'] + smoothing)``.

    ``j_a`` is the a-th last item of the history, and ``W[j, i]`` adds up 1 / distance over all pairs in which i
    comes at most ``window`` rows after j: a mixture of Markov chains of several orders. Of large catalogues only
    the strongest followers are kept; what is left out is then taken from those, and the next ones do not move up.

    Raises:
        DataError: the order of the rows means nothing.
    """

    config: CoOccurrenceConfig
    total_N: Tensor
    weight_NF: Tensor
    item_NF: Tensor | None

    def __init__(self, config: CoOccurrenceConfig, data: PriorData) -> None:
        super().__init__(config, data)
        if not data.events.ordered:
            raise DataError(
                "prior 'co_occurrence' counts what comes after what, and the rows have no order",
                where=data.where,
                fix="choose 'linear', which needs none",
            )

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        matrix, device = follow_counts(events, phases, self.config.window), events.item_R.device
        n_items = events.n_items
        total_N = torch.from_numpy(np.asarray(matrix.sum(axis=1), dtype=np.float32).ravel())
        self.register_buffer("total_N", total_N.to(device), persistent=False)
        if n_items <= _DENSE_ITEMS:
            weight_NF, item_NF = torch.from_numpy(matrix.toarray()), None
        else:
            weight_NF, item_NF = _strongest(matrix, min(self.config.followers, n_items))
            item_NF = item_NF.to(device)
        self.register_buffer("weight_NF", weight_NF.to(device), persistent=False)
        self.register_buffer("item_NF", item_NF, persistent=False)

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        n_items = len(self.total_N)
        place_QD, there_QD = last_places(past, self.config.depth)
        item_QD = past.item_BT.gather(1, place_QD)
        there_QD = there_QD & (item_QD < n_items)  # later ones came after the count
        item_QD = item_QD.clamp(max=n_items - 1)
        decay_D = self.config.decay ** torch.arange(self.config.depth, device=item_QD.device).float()
        total_QD = self.total_N[item_QD]
        own_QDH = None if hidden is None else self._own(past, hidden, place_QD, item_QD, there_QD)
        if own_QDH is not None:
            total_QD = total_QD - own_QDH.sum(dim=2)
        weight_QD = torch.where(there_QD, decay_D / (total_QD + self.config.smoothing).clamp(min=1e-6), 0.0)
        score_QN = torch.zeros(len(item_QD), n_items, device=item_QD.device)
        for item_Q, weight_Q1 in zip(item_QD.unbind(1), weight_QD.unsqueeze(2).unbind(1), strict=True):
            if self.item_NF is None:
                score_QN.addcmul_(self.weight_NF[item_Q], weight_Q1)
            else:
                score_QN.scatter_add_(1, self.item_NF[item_Q], self.weight_NF[item_Q] * weight_Q1)
        if hidden is not None and own_QDH is not None:
            own_QH = torch.einsum("qd,qdh->qh", weight_QD, own_QDH)
            score_QN.scatter_add_(1, hidden.item_BT, -own_QH)
        return log_above(score_QN, self.config.unit)

    def _own(self, past: Windows, hidden: Windows, place_QD: Tensor, item_QD: Tensor, there_QD: Tensor) -> Tensor:
        """Weight ``[Q, D, H]`` in the counts that comes from the user's own pairs of a late row and a hidden one.

        A pair is told wherever its first item stands, so items that occur twice among the latest share all.
        """
        row_QD, told_QD = past.row_BT.gather(1, place_QD), counted(past).gather(1, place_QD) & there_QD
        distance_QDH = hidden.row_BT.unsqueeze(1) - row_QD.unsqueeze(2)
        near_QDH = (distance_QDH >= 1) & (distance_QDH <= self.config.window)
        near_QDH &= told_QD.unsqueeze(2) & counted(hidden).unsqueeze(1)
        pair_QDH = near_QDH / distance_QDH.clamp(min=1)
        same_QDE = (item_QD.unsqueeze(2) == item_QD.unsqueeze(1)) & there_QD.unsqueeze(1) & there_QD.unsqueeze(2)
        own_QDH = same_QDE.float() @ pair_QDH
        # Among hidden rows there are pairs too, told wherever an item of theirs is among the latest.
        known_QH = counted(hidden)
        again_QDH = (item_QD.unsqueeze(2) == hidden.item_BT.unsqueeze(1)) & (
            there_QD.unsqueeze(2) & known_QH.unsqueeze(1)
        )
        for apart in range(1, min(self.config.window, hidden.item_BT.shape[1] - 1) + 1):
            own_QDH[:, :, apart:] += again_QDH[:, :, :-apart] * known_QH[:, apart:].unsqueeze(1) / apart
        return own_QDH


def follow_counts(events: Events, phases: Iterable[Phase], window: int) -> sparse.csr_matrix:
    """``W [N, N]``: 1 / distance, added up over pairs of a user's rows at most ``window`` rows apart."""
    user, row = events.rows(phases)
    item = events.item_R.cpu().numpy()[row].astype(np.int64)
    total = sparse.csr_matrix((events.n_items, events.n_items), dtype=np.float32)
    for apart in range(1, window + 1):
        # Where a few rows are labelled, neighbors among them can be far apart: rows of a user are numbered on.
        distance = row[apart:] - row[:-apart]
        near = (user[apart:] == user[:-apart]) & (distance <= window)
        pairs = item[:-apart][near], item[apart:][near]
        total = total + sparse.csr_matrix(((1 / distance[near]).astype(np.float32), pairs), shape=total.shape)
    return sparse.csr_matrix(total)


def _strongest(matrix: sparse.csr_matrix, count: int) -> tuple[Tensor, Tensor]:
    """The largest entries of each row: values ``[N, count]``, 0 where there are fewer, and their columns."""
    start_N = np.asarray(matrix.indptr)
    weight_NF = np.zeros((len(start_N) - 1, count), dtype=np.float32)
    item_NF = np.zeros((len(start_N) - 1, count), dtype=np.int64)
    for row, (first, last) in enumerate(itertools.pairwise(start_N.tolist())):
        value, column = matrix.data[first:last], matrix.indices[first:last]
        best = np.argsort(-np.asarray(value, dtype=np.float32), kind="stable")[:count]
        weight_NF[row, : len(best)], item_NF[row, : len(best)] = value[best], column[best]
    return torch.from_numpy(weight_NF), torch.from_numpy(item_NF)


COMPONENT = Component("prior", "co_occurrence", CoOccurrence, CoOccurrenceConfig)
