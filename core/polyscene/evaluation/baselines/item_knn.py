"""Item k-nearest neighbors by cosine (Deshpande and Karypis, 2004)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.evaluation.baselines.baseline import TRAIN, Baseline
from polyscene.evaluation.baselines.history import History
from polyscene.evaluation.baselines.sparse import dense, weighted
from polyscene.registry.components import Component

# Similarities computed at once (bounds memory to about 64 MB).
_CELLS = 1 << 24


@dataclass
class ItemKnnConfig:
    """Options of the item-kNN baseline.

    Args:
        neighbors: how many of its most similar items each item keeps.
        shrinkage: added to the product of norms, so that items with few users look less similar.
        log_weights: weigh users by log(1 + value) rather than 1.
    """

    neighbors: int = 100
    shrinkage: float = 0.0
    log_weights: bool = False


class ItemKnn(Baseline):
    """Each item of the history votes for its neighbors with their similarity to it."""

    def __init__(self, config: ItemKnnConfig) -> None:
        self.config = config

    def fit(self, events: Events, item_embeddings: np.ndarray | None, phases: tuple[Phase, ...] = TRAIN) -> None:
        matrix = weighted(events.matrix(phases, weights=True), self.config.log_weights)
        self.similarity = nearest_items(matrix, self.config.neighbors, self.config.shrinkage)

    def scores(self, users: np.ndarray, history: History) -> np.ndarray:
        seen = weighted(history.values(), self.config.log_weights)
        return dense(seen, self.similarity)


def nearest_items(matrix: sparse.csr_matrix, neighbors: int, shrinkage: float) -> sparse.csr_matrix:
    """``[N, N]``: row i holds the cosine of item i with each of its most similar other items.

    Cosine of columns i and j of the user-item matrix: x_i . x_j / (|x_i| |x_j| + shrinkage).
    """
    transposed = sparse.csr_matrix(matrix.T)
    norm_N = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0)).ravel())
    n_items = len(norm_N)
    keep = min(neighbors, n_items)
    size = max(1, _CELLS // n_items)
    blocks = []
    for start in range(0, n_items, size):
        stop = min(start + size, n_items)
        product_bN = dense(transposed[start:stop], matrix)
        product_bN /= np.maximum(norm_N[start:stop, None] * norm_N + shrinkage, np.finfo(np.float32).tiny)
        product_bN[np.arange(stop - start), np.arange(start, stop)] = 0
        # torch's selection runs on all threads, numpy's on one.
        value_bk, best_bk = torch.from_numpy(product_bN).topk(keep, dim=1, sorted=False)
        row_b = np.repeat(np.arange(stop - start), keep)
        block = sparse.csr_matrix(
            (value_bk.numpy().ravel(), (row_b, best_bk.numpy().ravel())), shape=product_bN.shape, dtype=np.float32
        )
        block.eliminate_zeros()
        blocks.append(block)
    return sparse.csr_matrix(sparse.vstack(blocks))


COMPONENT = Component("baseline", "item_knn", ItemKnn, ItemKnnConfig)
