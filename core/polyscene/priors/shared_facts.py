"""Shared facts: what completes a fact for the entities that have the most in common with its head."""

from __future__ import annotations

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
from polyscene.priors.counting import counted, log_above
from polyscene.priors.prior import Prior, PriorConfig, PriorData
from polyscene.priors.sparse import SparseMatrix
from polyscene.registry.components import Component
from polyscene.tasks.facts import RELATION

# Numbers that are held at once for the queries of a batch; of a larger graph fewer queries are scored at a time.
_CELLS = 1 << 26


@dataclass
class SharedFactsConfig(PriorConfig):
    """Options of the shared facts prior.

    Args:
        backoff: how much the relation's own frequencies weigh, as a chance beside that of arriving at any answer.
        unit: chance from which on the score grows with its logarithm.
    """

    backoff: float = bounded(1e-3, at_least=0)
    unit: float = bounded(1e-3, at_least=1e-9)


class SharedFacts(Prior):
    """``log(1 + p / unit)`` of the chance p of each tail, found as a neighbor method finds what to recommend.

    From the head a walker goes to one of its facts, from there to another entity that the same fact is known of
    (the same director, the same genre), and from this to one of its facts; p is the chance of each tail among the
    walks that end with the relation that is asked for. So do case-based reasoning over graphs [Das et al., AKBC
    2020] and the shortest paths of the path ranking algorithm [Lao and Cohen, Machine Learning 2010], without
    learning. Where few walks arrive, the tails that the relation has anywhere stand in.

    Where a few facts are labelled, the others tell what entities have in common, not what completes a relation.

    Raises:
        DataError: the rows are no facts.
    """

    of_facts = True
    config: SharedFactsConfig
    fact_FH: SparseMatrix
    fact_HF: SparseMatrix
    answer_AH: SparseMatrix
    known_H: Tensor
    key_F: Tensor
    known_F: Tensor
    relation_A: Tensor
    tail_A: Tensor
    rows_A: Tensor

    def __init__(self, config: SharedFactsConfig, data: PriorData) -> None:
        super().__init__(config, data)
        if RELATION not in data.events.columns:
            raise DataError(
                f"prior 'shared_facts' counts facts, and the rows have no column '{RELATION}'",
                where=data.where,
                fix="choose 'linear' or 'co_occurrence', which count what users have",
            )
        self.n_items, self.n_heads = data.events.n_items, data.events.n_users

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        known, device = list(phases), events.item_R.device
        self.n_items, self.n_heads = events.n_items, events.n_users
        relation_R = events.columns[RELATION].cpu().numpy().astype(np.int64)
        key_R = relation_R * self.n_items + events.item_R.cpu().numpy()
        head, row = events.rows(known, context=True)
        self.register_buffer("known_H", _counts(head, self.n_heads, device), persistent=False)
        # A relation and where it leads are what heads may have in common. What is known once leads nowhere else.
        key_F, facts = _by_key(key_R[row], head, self.n_heads)
        known_F = np.asarray(facts.sum(axis=1), dtype=np.float32).ravel()
        facts, key_F, known_F = facts[known_F > 1], key_F[known_F > 1], known_F[known_F > 1]
        self.fact_FH, self.fact_HF = SparseMatrix(facts, device), SparseMatrix(facts.T, device)
        head, row = events.rows(known)
        key_A, answers = _by_key(key_R[row], head, self.n_heads)
        self.answer_AH = SparseMatrix(answers, device)
        counted_A = np.asarray(answers.sum(axis=1), dtype=np.float32).ravel()
        tensors = {"key_F": key_F, "known_F": known_F, "rows_A": counted_A}
        tensors |= {"relation_A": key_A // self.n_items, "tail_A": key_A % self.n_items}
        for name, array in tensors.items():
            self.register_buffer(name, torch.from_numpy(array).to(device), persistent=False)

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        cells = len(self.key_F) + len(self.tail_A) + self.n_heads + self.n_items
        some = max(1, _CELLS // max(1, cells))
        parts = [slice(start, start + some) for start in range(0, len(past.user_B), some)]
        if len(parts) <= 1:
            return self._scores(past, hidden)
        return torch.cat(
            [self._scores(past.some(part), None if hidden is None else hidden.some(part)) for part in parts]
        )

    def _scores(self, past: Windows, hidden: Windows | None) -> Tensor:
        relation_Q, there_Q = past.columns[RELATION][:, 0].long(), past.valid_BT[:, 0]
        there_Q = there_Q & (past.user_B < self.n_heads)  # later ones came after the count
        head_Q = past.user_B.clamp(max=self.n_heads - 1)
        near_HQ = self._near(head_Q, hidden)
        relation_Q = relation_Q.masked_fill(~there_Q, -1)
        gone_QH = None if hidden is None else self._gone(hidden, relation_Q)
        asked_AQ = self.relation_A.unsqueeze(1) == relation_Q
        rows_Q = torch.where(asked_AQ, self.rows_A.unsqueeze(1), 0.0).sum(dim=0)
        if gone_QH is not None:
            rows_Q = rows_Q - gone_QH.sum(dim=1)
        share_Q = self.config.backoff / rows_Q.clamp(min=1)
        arrived_AQ = torch.addcmul(self.answer_AH(near_HQ), self.rows_A.unsqueeze(1), share_Q) * asked_AQ
        arrived_NQ = torch.zeros(self.n_items, len(head_Q), device=near_HQ.device)
        arrived_QN = arrived_NQ.index_add_(0, self.tail_A, arrived_AQ).T.contiguous()
        if hidden is not None and gone_QH is not None:
            arrived_QN.scatter_add_(1, hidden.item_BT, -(gone_QH * share_Q.unsqueeze(1)))
        chance_QN = arrived_QN / arrived_QN.sum(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
        return log_above(chance_QN, self.config.unit)

    def _near(self, head_Q: Tensor, hidden: Windows | None) -> Tensor:
        """Chance ``[H, Q]`` to go from each head over a fact to another entity, and to take one of its facts."""
        at_HQ = torch.zeros(self.n_heads, len(head_Q), device=head_Q.device)
        at_HQ.scatter_(0, head_Q.unsqueeze(0), 1.0)
        own_FQ, own_Q, known_FQ = self.fact_FH(at_HQ), self.known_H[head_Q], self.known_F.unsqueeze(1)
        if hidden is not None:
            gone_FQ = self._gone_facts(hidden)
            own_FQ, known_FQ = own_FQ - gone_FQ, known_FQ - gone_FQ
            own_Q = own_Q - hidden.valid_BT.sum(dim=1)
        taken_FQ = own_FQ / (known_FQ * own_Q).clamp(min=1)
        # Others have as many facts as before: what is hidden is the head's own.
        near_HQ = self.fact_HF(taken_FQ) / self.known_H.clamp(min=1).unsqueeze(1)
        return near_HQ.scatter(0, head_Q.unsqueeze(0), 0.0)

    def _gone_facts(self, hidden: Windows) -> Tensor:
        """How often each fact ``[F, Q]`` is hidden."""
        gone_FQ = torch.zeros(len(self.key_F), len(hidden.user_B), device=hidden.user_B.device)
        if not len(self.key_F):
            return gone_FQ
        key_QH = hidden.columns[RELATION].long() * self.n_items + hidden.item_BT
        fact_QH = torch.searchsorted(self.key_F, key_QH).clamp(max=len(self.key_F) - 1)
        told_QH = hidden.valid_BT & (self.key_F[fact_QH] == key_QH)
        return gone_FQ.scatter_add_(0, fact_QH.T, told_QH.T.float())

    def _gone(self, hidden: Windows, relation_Q: Tensor) -> Tensor:
        """1.0 ``[Q, H]`` for hidden rows that were counted as answers to the relation that is asked for."""
        asked_QH = hidden.columns[RELATION] == relation_Q.unsqueeze(1)
        return (counted(hidden) & asked_QH).float()


def _by_key(key_M: np.ndarray, head_M: np.ndarray, n_heads: int) -> tuple[np.ndarray, sparse.csr_matrix]:
    """The K different keys, and how often ``[K, H]`` each head has them."""
    key_K, place_M = np.unique(key_M, return_inverse=True)
    cells = np.ones(len(key_M), dtype=np.float32), (place_M, head_M)
    return key_K, sparse.csr_matrix(cells, shape=(len(key_K), n_heads))


def _counts(place: np.ndarray, size: int, device: torch.device) -> Tensor:
    return torch.from_numpy(np.bincount(place, minlength=size).astype(np.float32)).to(device)


COMPONENT = Component("prior", "shared_facts", SharedFacts, SharedFactsConfig)
