"""Similarity: items with the same tags as those of the history, or, among people, as oneself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from polyscene.config.validate import bounded
from polyscene.data.events import Events
from polyscene.data.ids import series
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import DataError, did_you_mean
from polyscene.priors.counting import per_item
from polyscene.priors.prior import Prior, PriorConfig, PriorData
from polyscene.priors.sparse import SparseMatrix
from polyscene.registry.components import Component


@dataclass
class NeighborSimilarityConfig(PriorConfig):
    """Options of the neighbor similarity prior.

    Args:
        column: column of the items that holds tags.
        separator: what stands between them.
        optional: without the column the prior says nothing, instead of being an error.
    """

    column: str = "tags"
    separator: str = "|"
    optional: bool = False
    first_gate: float = bounded(5.0, at_least=0)


class NeighborSimilarity(Prior):
    """Cosine of tag vectors, each tag weighted by ``log(1 + N / items with it)``.

    Where items are people, a candidate is compared with the user; elsewhere with the mean of the history's items.
    It reads no rows, so there is nothing to leave out.

    Raises:
        DataError: the items have no such column.
    """

    config: NeighborSimilarityConfig
    tags_NV: SparseMatrix
    tags_VN: SparseMatrix
    own_item_U: Tensor | None

    def __init__(self, config: NeighborSimilarityConfig, data: PriorData) -> None:
        super().__init__(config, data)
        items = data.tables.items
        if config.column not in items and not config.optional:
            raise DataError(
                f"prior 'neighbor_similarity' reads the column '{config.column}' of items, which is not there",
                where=data.where,
                fix=did_you_mean(config.column, map(str, items.columns)),
            )
        self.register_buffer("own_item_U", data.own_item_U, persistent=False)
        self.receive(data)

    def receive(self, data: PriorData) -> None:
        items, column = data.tables.items, self.config.column
        texts = series(items, column).fillna("").astype(str).tolist() if column in items else [""] * len(items)
        matrix = _tag_vectors([text.split(self.config.separator) for text in texts])
        device = data.events.item_R.device
        self.tags_NV, self.tags_VN = (SparseMatrix(part, device) for part in (matrix, matrix.T))

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        return

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        n_items = self.tags_NV.n_rows
        if self.own_item_U is not None:
            # Who came after the data was read is nobody among the items.
            known_Q1 = (past.user_B < len(self.own_item_U)).unsqueeze(1)
            own_Q = self.own_item_U[past.user_B.clamp(max=len(self.own_item_U) - 1)]
            asked_QN = functional.one_hot(own_Q, n_items).float() * known_Q1
        else:
            asked_QN = per_item(past, past.valid_BT.float(), n_items).clamp(max=1)
        query_QV = functional.normalize(self.tags_VN(asked_QN.T).T)
        return self.tags_NV(query_QV.T).T


def _tag_vectors(tags: list[list[str]]) -> sparse.csr_matrix:
    """``[N, V]``: unit rows of the weights of an item's tags."""
    found = [sorted({tag for tag in own if tag}) for own in tags]
    number = {tag: place for place, tag in enumerate(sorted({tag for own in found for tag in own}))}
    counts = np.array([len(own) for own in found])
    row_M = np.repeat(np.arange(len(found)), counts)
    column_M = np.array([number[tag] for own in found for tag in own], dtype=np.int64)
    items_V = np.bincount(column_M, minlength=max(1, len(number)))
    weight_M = np.log1p(len(found) / np.maximum(items_V, 1))[column_M]
    norm_N = np.sqrt(np.bincount(row_M, weight_M**2, minlength=len(found)))
    shape = (len(found), max(1, len(number)))
    return sparse.csr_matrix((weight_M / norm_N[row_M], (row_M, column_M)), shape=shape, dtype=np.float32)


COMPONENT = Component("prior", "neighbor_similarity", NeighborSimilarity, NeighborSimilarityConfig)
