"""Content: items whose text is like the mean of the history's texts."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import DataError
from polyscene.evaluation.baselines.baseline import TRAIN, Baseline
from polyscene.evaluation.baselines.history import History
from polyscene.registry.components import Component


class Content(Baseline):
    """Cosine of each item's embedding with the mean embedding of the items in the history."""

    def __init__(self, config: None = None) -> None:
        self.config = config

    def fit(self, events: Events, item_embeddings: np.ndarray | None, phases: tuple[Phase, ...] = TRAIN) -> None:
        if item_embeddings is None:
            raise DataError(
                "the items have no text", where="baseline content", fix="leave content out for this scenario"
            )
        self.item_Nh = _unit_rows(item_embeddings.astype(np.float32))

    def scores(self, users: np.ndarray, history: History) -> np.ndarray:
        seen: sparse.csr_matrix = history.seen()
        return _unit_rows(seen @ self.item_Nh) @ self.item_Nh.T


def _unit_rows(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)


COMPONENT = Component("baseline", "content", Content)
