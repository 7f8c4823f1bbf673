"""Linear: which items go with which, as the best linear map from histories to items that leaves each item out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import linalg, sparse
from scipy.sparse.linalg import svds
from torch import Tensor, nn

from polyscene.config.validate import bounded
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import DataError
from polyscene.priors.counting import counted, half_life_weights, log_above, per_item
from polyscene.priors.prior import Prior, PriorConfig, PriorData
from polyscene.priors.sparse import SparseMatrix
from polyscene.registry.components import Component

_LEAST = 1e-6


@dataclass
class LinearConfig(PriorConfig):
    """Options of the linear prior.

    Args:
        l2: regularization; larger with more users per item.
        log_weights: weigh an item of a history by log(1 + sum of its values) rather than 1.
        half_life_days: an item of a history says half as much for each such span between its last row and the
            user's last row; 0 believes all alike. What is counted does not age.
        limit: users or items, whichever are fewer, up to which the map is exact: its inverse is a dense matrix of
            that size, 4 bytes a cell.
        rank: above the limit, the number of singular vectors that stand for the rows; 0 refuses such data.
        unit: score from which on it grows with its logarithm.
    """

    l2: float = bounded(500.0, at_least=1e-6)
    log_weights: bool = False
    half_life_days: float = bounded(0.0, at_least=0)
    limit: int = bounded(20_000, at_least=1)
    rank: int = bounded(512, at_least=0)
    unit: float = bounded(0.01, at_least=1e-9)


class Linear(Prior):
    """EASE, ``x B`` with ``B = I - P diag(P)^-1`` and ``P = (X'X + l2 I)^-1`` [Steck, WWW 2019].

    P is held as what it does to a vector: as itself where items are fewer than users; as ``(I - X'KX) / l2`` with
    ``K = (XX' + l2 I)^-1`` where users are fewer (Woodbury), and as ``(I - V diag(s^2 / (s^2 + l2)) V') / l2`` of
    the largest singular values s where both are many.

    What is hidden is taken out of P, exactly where P itself is exact. Replacing a user's row x by what is left of
    it, y, changes the Gram matrix by ``yy' - xx'``, of rank two.

    Raises:
        DataError: users and items are more than ``limit``, and ``rank`` is 0; or a half-life is asked for, and the
            rows have no times.
    """

    config: LinearConfig

    def __init__(self, config: LinearConfig, data: PriorData) -> None:
        super().__init__(config, data)
        if config.half_life_days > 0 and not bool(data.events.time_R.any()):
            raise DataError(
                "prior 'linear' has a half-life, and the rows have no times",
                where=data.where,
                fix="write half_life_days: 0 to believe all rows alike",
            )
        size = min(data.events.n_users, data.events.n_items)
        if size > config.limit and config.rank == 0:
            raise DataError(
                f"prior 'linear' would invert a matrix of {size:,} rows, more than {config.limit:,}",
                where=data.where,
                fix="give it a rank, as in rank: 512, for the truncated form, or choose 'co_occurrence'",
            )

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        known, device = list(phases), events.item_R.device
        matrix = events.matrix(known, weights=self.config.log_weights)
        if self.config.log_weights:
            matrix.data = np.log1p(np.maximum(matrix.data, 0))
        self.n_items = events.n_items
        if min(events.n_users, events.n_items) > self.config.limit:
            self.map: _Map = _Truncated(matrix, self.config.l2, self.config.rank, device)
        elif events.n_items <= events.n_users:
            self.map = _ByItems(matrix, self.config.l2, device)
        else:
            self.map = _ByUsers(matrix, self.config.l2, device)

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        x_QN = self._aged(past, self._weights(past, past.valid_BT))
        p_QN, diagonal_QN = self.map.times(x_QN), self.map.diagonal_N
        if hidden is not None:
            # Only labelled rows were counted, so only they can be taken out; what is left was counted as well.
            left_QN = self._weights(past, counted(past))
            whole_QN = self._weights(past, counted(past), hidden, counted(hidden))
            p_QN, diagonal_QN = self._without(x_QN, p_QN, whole_QN, left_QN)
        return log_above(x_QN - p_QN / diagonal_QN, self.config.unit)

    def _without(self, x_QN: Tensor, p_QN: Tensor, whole_QN: Tensor, left_QN: Tensor) -> tuple[Tensor, Tensor]:
        """``x P`` and ``diag(P)`` after the row ``whole`` of a user became ``left`` (Woodbury, rank two)."""
        u_QN2 = torch.stack([whole_QN, left_QN], dim=-1)
        pu_QN2 = torch.stack([self.map.times(whole_QN), self.map.times(left_QN)], dim=-1)
        sign_22 = torch.diag(torch.tensor([-1.0, 1.0], device=x_QN.device, dtype=torch.float64))
        inner_Q22 = (sign_22 + (u_QN2.transpose(1, 2).double() @ pu_QN2.double())).inverse().float()
        moved_QN2 = pu_QN2 @ inner_Q22
        along_Q2 = torch.einsum("qn,qnk->qk", x_QN, pu_QN2)
        p_QN = p_QN - torch.einsum("qnk,qk->qn", moved_QN2, along_Q2)
        diagonal_QN = self.map.diagonal_N - (moved_QN2 * pu_QN2).sum(dim=-1)
        return p_QN, diagonal_QN.clamp(min=_LEAST / self.config.l2)

    def _weights(
        self, rows: Windows, which_QL: Tensor, more: Windows | None = None, which_QH: Tensor | None = None
    ) -> Tensor:
        """The weight ``[Q, N]`` of each item in the rows."""
        sums_QN = self._sums(rows, which_QL)
        if more is not None and which_QH is not None:
            sums_QN = sums_QN + self._sums(more, which_QH)
        return torch.log1p(sums_QN.clamp(min=0)) if self.config.log_weights else (sums_QN > 0).float()

    def _aged(self, past: Windows, x_QN: Tensor) -> Tensor:
        """The weights of a history, less for what was long ago."""
        if self.config.half_life_days == 0:
            return x_QN
        weight_QL = half_life_weights(past, self.config.half_life_days)
        item_QL = past.item_BT.clamp(max=self.n_items - 1)  # x is 0 for what came later
        return x_QN * torch.zeros_like(x_QN).scatter_reduce(1, item_QL, weight_QL, "amax")

    def _sums(self, rows: Windows, which_QL: Tensor) -> Tensor:
        value_QL = rows.value_BT if self.config.log_weights else torch.ones_like(rows.value_BT)
        return per_item(rows, torch.where(which_QL, value_QL, 0.0), self.n_items)


class _Map(nn.Module, ABC):
    """P as what it does to rows: ``times(x) = x P`` for ``[Q, N]``, and its diagonal."""

    diagonal_N: Tensor

    def hold(self, **tensors: Tensor) -> None:
        """Keep tensors that go where the model goes, and into no checkpoint."""
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    @abstractmethod
    def times(self, x_QN: Tensor) -> Tensor:
        """``x P``."""


class _ByItems(_Map):
    inverse_NN: Tensor

    def __init__(self, matrix: sparse.csr_matrix, l2: float, device: torch.device) -> None:
        super().__init__()
        inverse = _inverse(sparse.csr_matrix(matrix, dtype=np.float64).T @ matrix, l2)
        inverse_NN = torch.from_numpy(inverse.astype(np.float32)).to(device)
        self.hold(inverse_NN=inverse_NN, diagonal_N=inverse_NN.diagonal())

    def times(self, x_QN: Tensor) -> Tensor:
        return x_QN @ self.inverse_NN


class _ByUsers(_Map):
    inverse_UU: Tensor

    def __init__(self, matrix: sparse.csr_matrix, l2: float, device: torch.device) -> None:
        super().__init__()
        self.l2, wide = l2, sparse.csr_matrix(matrix, dtype=np.float64)
        inverse = _inverse(wide @ wide.T, l2)
        covered = [np.asarray(part.multiply(inverse @ part).sum(axis=0)).ravel() for part in _blocks(wide.tocsc())]
        diagonal = (1 - np.concatenate(covered)) / l2
        self.rows_UN, self.columns_NU = (SparseMatrix(part, device) for part in (matrix, matrix.T))
        self.hold(
            inverse_UU=torch.from_numpy(inverse.astype(np.float32)).to(device),
            diagonal_N=torch.from_numpy(diagonal.astype(np.float32)).to(device),
        )

    def times(self, x_QN: Tensor) -> Tensor:
        with_user_UQ = self.inverse_UU @ self.rows_UN(x_QN.T)
        return (x_QN - self.columns_NU(with_user_UQ).T) / self.l2


class _Truncated(_Map):
    half_NK: Tensor

    def __init__(self, matrix: sparse.csr_matrix, l2: float, rank: int, device: torch.device) -> None:
        super().__init__()
        # A fixed start, so that the same rows give the same map.
        start = np.ones(min(_shape(matrix)), dtype=np.float32)
        found: Any = svds(matrix, k=rank, v0=start)
        _, value_K, vector_KN = found
        share_K = value_K**2 / (value_K**2 + l2)
        half_NK = (vector_KN.T * np.sqrt(share_K)).astype(np.float32)
        self.l2, on_its_device_NK = l2, torch.from_numpy(half_NK).to(device)
        self.hold(half_NK=on_its_device_NK, diagonal_N=(1 - on_its_device_NK.square().sum(dim=1)) / l2)

    def times(self, x_QN: Tensor) -> Tensor:
        return (x_QN - (x_QN @ self.half_NK) @ self.half_NK.T) / self.l2


def _shape(matrix: Any) -> tuple[int, int]:
    return matrix.shape


def _inverse(gram: Any, l2: float) -> np.ndarray:
    dense = gram.toarray()
    dense[np.diag_indices_from(dense)] += l2
    return linalg.inv(dense, overwrite_a=True, assume_a="pos")


def _blocks(matrix: Any, columns: int = 2048) -> Iterable[Any]:
    return (matrix[:, start : start + columns] for start in range(0, matrix.shape[1], columns))


COMPONENT = Component("prior", "linear", Linear, LinearConfig)
