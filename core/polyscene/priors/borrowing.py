"""Borrowing: what priors say of items that no row holds, from known items with texts like theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from polyscene.priors.occurrence import TERMS
from polyscene.priors.sparse import SparseMatrix

ItemVectors = Callable[[], Tensor | None]
# A lender's weight falls by a factor of e for each such step of the cosine.
_STEP = 0.2
# The share of what a prior says that texts must explain, of the prior that they explain best.
_LEAST_TOLD = 0.05
# Known items on which it is measured how much texts tell. With fewer to choose from, they tell too little.
_MEASURED, _LEAST_KNOWN = 1_000, 100
# Pairs of texts that are compared: in all, which takes seconds; to measure; and at a time.
_PAIRS, _MEASURED_PAIRS, _AT_A_TIME = 500_000_000, 20_000_000, 20_000_000


class Borrowing(nn.Module):
    """``s_p(u, i) = f_p sum_j w_ij s_p(u, j)`` for an item i that no row holds, over k known items j.

    They are those whose texts are nearest: of the largest cosine c between text vectors less their mean, with
    weights ``w = softmax(c / 0.2)``. The factor ``f_p`` is that of the best linear prediction of a prior's scores
    by borrowed ones, ``cov / var``, measured on known items that are taken for unknown ones. So the score is the
    expected one, and new items stand among the known where they are expected. Where texts tell next to nothing of
    what is chosen, as names of artists do, nothing is borrowed, as it would drown what the network knows: they
    must explain a twentieth of the variance of some prior.

    Args:
        item_vectors: gives text vectors ``[N, h]``; None where items have no text.
        lenders: the number k of items that one borrows from.
        places: which of P priors are borrowed from; those that read texts know unknown items themselves. With any
            of them the terms of occurrence are, the last of the P.
    """

    factor_P: Tensor
    lender_K: Tensor
    borrower_B: Tensor
    text_N: Tensor
    item_Bk: Tensor
    weight_Bk: Tensor

    def __init__(self, item_vectors: ItemVectors, lenders: int, places: Sequence[int]) -> None:
        super().__init__()
        self.item_vectors, self.lenders, self.places = item_vectors, lenders, list(places)
        self.weight_BN: SparseMatrix | None = None
        self.tells = True
        self.last = -1

    @torch.no_grad()
    def observe(self, users_N: Tensor, sample: Callable[[], Tensor]) -> None:
        """Find who borrows from whom, and how much.

        Args:
            users_N: users of each item; who has none borrows.
            sample: gives scores ``[P, Q, N]`` of all priors for some histories.
        """
        self.weight_BN, self.tells = None, True
        known_N = users_N > 0
        borrower_B, lender_K = (place_N.nonzero().flatten() for place_N in (~known_N, known_N))
        asked = self.places and len(borrower_B) and len(lender_K) >= _LEAST_KNOWN
        vector_Nh = self.item_vectors() if asked else None
        if vector_Nh is None:
            return
        # Among very many, those who can tell most are asked.
        most = max(_LEAST_KNOWN, _PAIRS // len(borrower_B))
        if len(lender_K) > most:
            lender_K = lender_K[users_N[lender_K].topk(most, sorted=False).indices].sort().values
        self.lender_K, near_Nh = lender_K, self._centered(vector_Nh, lender_K)
        measured = min(_MEASURED, max(_LEAST_KNOWN, _MEASURED_PAIRS // len(lender_K)), len(lender_K))
        measured_M = lender_K[torch.linspace(0, len(lender_K) - 1, measured).long()]
        self.factor_P, told_P = self._measured(sample(), measured_M, *self._nearest(near_Nh, measured_M))
        self.tells = float(told_P[self.places].amax()) >= _LEAST_TOLD
        if not self.tells:
            return
        self._set(borrower_B, *self._nearest(near_Nh, borrower_B), vector_Nh)

    @torch.no_grad()
    def receive(self, users_N: Tensor, sample: Callable[[], Tensor]) -> None:
        """As :meth:`observe`, after items came or have other texts; only these look for lenders."""
        if not self.tells:  # nor do the texts of a few more
            return None
        vector_Nh = self.item_vectors()
        if self.weight_BN is None or vector_Nh is None:
            return self.observe(users_N, sample)
        new_N = torch.ones(len(vector_Nh), dtype=torch.bool, device=vector_Nh.device)
        new_N[: len(self.text_N)] = vector_Nh[: len(self.text_N)].sum(dim=1) != self.text_N
        if bool(new_N[self.lender_K].any()):
            return self.observe(users_N, sample)
        borrower_B = (users_N == 0).nonzero().flatten()
        item_Bk, weight_Bk = (
            functional.pad(part, (0, 0, 0, len(borrower_B) - len(part))) for part in (self.item_Bk, self.weight_Bk)
        )
        asks_B = new_N[borrower_B]
        item_Bk[asks_B], weight_Bk[asks_B] = self._nearest(
            self._centered(vector_Nh, self.lender_K), borrower_B[asks_B]
        )
        return self._set(borrower_B, item_Bk, weight_Bk, vector_Nh)

    def forward(self, score_PQN: Tensor) -> Tensor:
        """The scores, with those of unknown items filled in where there are none; in place.

        A prior that reads the history alone may know an item that was not counted: that the user has had it.
        """
        if self.weight_BN is None:
            return score_PQN
        n_priors, _, n_items = score_PQN.shape
        borrower_B = self.borrower_B if n_items > self.last else self.borrower_B[self.borrower_B < n_items]
        for place in [*self.places, *range(n_priors - len(TERMS), n_priors)]:
            borrowed_BQ = self.weight_BN(score_PQN[place].T) * self.factor_P[place]
            own_QB = score_PQN[place][:, borrower_B]
            filled_QB = torch.where(own_QB == 0, borrowed_BQ[: len(borrower_B)].T, own_QB)
            score_PQN[place].index_copy_(1, borrower_B, filled_QB)
        return score_PQN

    def _set(self, borrower_B: Tensor, item_Bk: Tensor, weight_Bk: Tensor, vector_Nh: Tensor) -> None:
        start_B = torch.arange(len(borrower_B) + 1) * item_Bk.shape[1]
        cells = (weight_Bk.flatten().cpu().numpy(), item_Bk.flatten().cpu().numpy(), start_B.numpy())
        # A copy, as cells are sorted in place.
        matrix = sparse.csr_matrix(cells, shape=(len(borrower_B), len(vector_Nh)), copy=True)
        self.weight_BN = SparseMatrix(matrix, vector_Nh.device)
        self.borrower_B, self.last = borrower_B, int(borrower_B[-1])
        # A sum tells one text from another.
        self.item_Bk, self.weight_Bk, self.text_N = item_Bk, weight_Bk, vector_Nh.sum(dim=1)

    @staticmethod
    def _centered(vector_Nh: Tensor, lender_K: Tensor) -> Tensor:
        return functional.normalize(vector_Nh - vector_Nh[lender_K].mean(dim=0))

    def _nearest(self, near_Nh: Tensor, item_M: Tensor) -> tuple[Tensor, Tensor]:
        """Those who lend to some items ``[M, k]``, and their weights; nobody lends to itself."""
        lender_K, items, weights = self.lender_K, [], []
        for item_m in item_M.split(max(1, _AT_A_TIME // len(lender_K))):
            cosine_mK = near_Nh[item_m] @ near_Nh[lender_K].T
            cosine_mK.masked_fill_(item_m.unsqueeze(1) == lender_K, -1.0)
            cosine_mk, place_mk = cosine_mK.topk(min(self.lenders, len(lender_K)), dim=1)
            items.append(lender_K[place_mk])
            weights.append((cosine_mk / _STEP).softmax(dim=1))
        return torch.cat(items), torch.cat(weights)

    def _measured(
        self, score_PQN: Tensor, item_M: Tensor, lender_Mk: Tensor, weight_Mk: Tensor
    ) -> tuple[Tensor, Tensor]:
        """``f_p`` and the share of variance that it explains, ``[P]``, by known items; 0 where none differ."""
        own_PQM = score_PQN[:, :, item_M]
        borrowed_PQM = torch.einsum("pqmk,mk->pqm", score_PQN[:, :, lender_Mk], weight_Mk)
        # Only differences between items order anything.
        own_PQM, borrowed_PQM = (part - part.mean(dim=2, keepdim=True) for part in (own_PQM, borrowed_PQM))
        shared_P, lent_P = ((part * borrowed_PQM).sum(dim=(1, 2)) for part in (own_PQM, borrowed_PQM))
        factor_P = torch.where(lent_P > 0, shared_P / lent_P, 0.0).clamp(min=0)
        own_P = own_PQM.square().sum(dim=(1, 2))
        return factor_P, torch.where(own_P > 0, factor_P * shared_P / own_P, 0.0)
