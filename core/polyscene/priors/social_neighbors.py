"""Social neighbors: what the people have that a user is linked to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch import Tensor, nn

from polyscene.config.validate import bounded
from polyscene.data.events import Events
from polyscene.data.ids import series
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import DataError
from polyscene.priors.counting import log_above
from polyscene.priors.prior import Prior, PriorConfig, PriorData
from polyscene.registry.components import Component


@dataclass
class SocialNeighborsConfig(PriorConfig):
    """Options of the social neighbors prior.

    Args:
        optional: without links among users the prior says nothing, instead of being an error.
        most_links: of more links of a user than this, the rest is passed over.
        most_rows: of more items of a linked user than this, those with the largest weights count.
        unit: mean weight from which on the score grows with its logarithm.
    """

    optional: bool = False
    most_links: int = bounded(256, at_least=1)
    most_rows: int = bounded(512, at_least=1)
    unit: float = bounded(1.0, at_least=1e-9)


class SocialNeighbors(Prior):
    """``log(1 + m_ui / unit)`` with the mean m over linked users v of ``log(1 + sum of v's values of item i)``.

    A user's own rows are not in their score, so there is nothing to leave out; nobody is linked to themselves.

    Raises:
        DataError: there are no links among the users.
    """

    config: SocialNeighborsConfig

    def __init__(self, config: SocialNeighborsConfig, data: PriorData) -> None:
        super().__init__(config, data)
        if data.tables.links is None and not config.optional:
            raise DataError(
                "prior 'social_neighbors' follows links from user to user, and there are none",
                where=data.where,
                fix="leave it out, or give the tables links (user_id, friend_id)",
            )
        self.receive(data)

    def receive(self, data: PriorData) -> None:
        self.linked = _Rows(_links(data), self.config.most_links, data.events.item_R.device)

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        weights = events.matrix(list(phases), weights=True).tocsr()
        weights.data = np.log1p(np.maximum(weights.data, 0))
        self.n_items = events.n_items
        self.weights = _Rows(weights, self.config.most_rows, events.item_R.device)

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        user_QF, link_QF = self.linked.of(past.user_B)
        item_QFR, weight_QFR = self.weights.of(user_QF)
        mean_QF1 = (link_QF / link_QF.sum(dim=1, keepdim=True).clamp(min=1)).unsqueeze(2)
        total_QN = torch.zeros(len(past.user_B), self.n_items, device=weight_QFR.device)
        total_QN = total_QN.scatter_add(1, item_QFR.flatten(1), (mean_QF1 * weight_QFR).flatten(1))
        return log_above(total_QN, self.config.unit)


class _Rows(nn.Module):
    """The largest cells of each row of a sparse matrix, at most so many; rows beyond the last one are empty."""

    count_U: Tensor
    start_U: Tensor
    column_K: Tensor
    value_K: Tensor

    def __init__(self, matrix: sparse.csr_matrix, most: int, device: torch.device) -> None:
        super().__init__()
        start_U: np.ndarray = np.asarray(matrix.indptr, dtype=np.int64)
        count_U = start_U[1:] - start_U[:-1]
        row_K = np.repeat(np.arange(len(count_U)), count_U)
        order_K = np.lexsort((matrix.indices, np.negative(matrix.data), row_K))
        self.width = min(most, max(1, int(count_U.max(initial=0))))
        # One cell more, for where there is none.
        cells = {
            "count_U": np.append(count_U, 0),
            "start_U": start_U,
            "column_K": np.append(matrix.indices[order_K], 0).astype(np.int64),
            "value_K": np.append(matrix.data[order_K], 0).astype(np.float32),
        }
        for name, array in cells.items():
            self.register_buffer(name, torch.from_numpy(array).to(device), persistent=False)

    def of(self, row_X: Tensor) -> tuple[Tensor, Tensor]:
        """Columns and values ``[X, W]`` of some rows, filled up with zeros."""
        row_X1 = row_X.clamp(max=len(self.count_U) - 1).unsqueeze(-1)
        place_W = torch.arange(self.width, device=row_X.device)
        there_XW = place_W < self.count_U[row_X1]
        cell_XW = torch.where(there_XW, self.start_U[row_X1] + place_W, len(self.column_K) - 1)
        return self.column_K[cell_XW], self.value_K[cell_XW]


def _links(data: PriorData) -> sparse.csr_matrix:
    """``[U, U]``, 1 for every other user that a user is linked to."""
    links, ids, n_users = data.tables.links, data.tables.user_ids, data.events.n_users
    if links is None:
        return sparse.csr_matrix((n_users, n_users), dtype=np.float32)
    pairs = np.stack(
        [ids.get_indexer(pd.Index(series(links, key).astype(str))) for key in ("user_id", "friend_id")]
    )
    pairs = np.unique(pairs[:, pairs[0] != pairs[1]], axis=1)
    return sparse.csr_matrix((np.ones(pairs.shape[1], dtype=np.float32), tuple(pairs)), shape=(n_users, n_users))


COMPONENT = Component("prior", "social_neighbors", SocialNeighbors, SocialNeighborsConfig)
