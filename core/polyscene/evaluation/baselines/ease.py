"""EASE: a linear item-to-item model in closed form (Steck, "Embarrassingly shallow autoencoders", WWW 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import ConfigError, DataError
from polyscene.evaluation.baselines.baseline import TRAIN, Baseline
from polyscene.evaluation.baselines.history import History
from polyscene.evaluation.baselines.sparse import weighted
from polyscene.registry.components import Component

# Columns of the dual form handled at once.
_BLOCK = 2048


@dataclass
class EaseConfig:
    """Options of the EASE baseline.

    Args:
        l2: regularization, positive; larger with more users per item.
        log_weights: weigh cells by log(1 + value) rather than 1.
        form: ``item`` inverts an items x items matrix, ``user`` the equivalent users x users one, ``auto`` the
            smaller of the two.
        limit: largest matrix that is inverted, in rows; memory grows with its square (8 bytes a cell, two copies).
    """

    l2: float = 500.0
    log_weights: bool = False
    form: str = "auto"
    limit: int = 10_000


class Ease(Baseline):
    """Scores ``x B``, where B minimizes ``|X - XB|^2 + l2 |B|^2`` with a zero diagonal.

    Item form: with ``P = (X'X + l2 I)^-1``, ``B = I - P / diag(P)``. User form, by Woodbury's identity: with
    ``K = (XX' + l2 I)^-1``, ``P = (I - X'KX) / l2``, so that ``x B`` needs no items x items matrix.
    """

    def __init__(self, config: EaseConfig) -> None:
        if config.form not in ("auto", "item", "user"):
            raise ConfigError(f"found form '{config.form}'", where="baseline ease", fix="use auto, item or user")
        if config.l2 <= 0:
            raise ConfigError(f"found l2 = {config.l2}", where="baseline ease", fix="use a positive number")
        self.config = config

    def fit(self, events: Events, item_embeddings: np.ndarray | None, phases: tuple[Phase, ...] = TRAIN) -> None:
        n_users, n_items = events.n_users, events.n_items
        form = self.config.form
        if form == "auto":
            form = "item" if n_items <= n_users else "user"
        size = n_items if form == "item" else n_users
        if size > self.config.limit:
            raise DataError(
                f"{n_users:,} users and {n_items:,} items: the {form} form inverts {size:,} rows, more than "
                f"{self.config.limit:,}",
                where="baseline ease",
                fix="use item_knn for this data set, or raise the baseline's limit if memory allows "
                f"({16 * size * size / 1e9:.0f} GB)",
            )
        self.form = form
        weights = weighted(events.matrix(phases, weights=True), self.config.log_weights)
        matrix = sparse.csr_matrix(weights, dtype=np.float64)
        gram: Any = matrix.T @ matrix if form == "item" else matrix @ matrix.T
        inverse = _inverse(gram.toarray(), self.config.l2)
        if form == "item":
            inverse /= -np.diag(inverse)
            np.fill_diagonal(inverse, 0)
            self.weights_NN = inverse.astype(np.float32)
        else:
            # Solved in float64; single precision is enough, and twice as fast, to score with the solution.
            self.diagonal_N = (1 - _quadratic_diagonal(matrix, inverse)).astype(np.float32)
            self.inverse_UU, self.matrix = inverse.astype(np.float32), weights

    def scores(self, users: np.ndarray, history: History) -> np.ndarray:
        x = weighted(history.values(), self.config.log_weights)
        if self.form == "item":
            return x @ self.weights_NN
        # x B = x + (x X'K X - x) / (1 - diag(X'KX)).
        known_nN = x.toarray()
        found_nN = ((x @ self.matrix.T) @ self.inverse_UU) @ self.matrix
        found_nN -= known_nN
        found_nN /= self.diagonal_N
        found_nN += known_nN
        return found_nN


def _inverse(gram: np.ndarray, l2: float) -> np.ndarray:
    gram[np.diag_indices_from(gram)] += l2
    return linalg.inv(gram, overwrite_a=True, assume_a="pos")


def _quadratic_diagonal(matrix: sparse.csr_matrix, inverse_UU: np.ndarray) -> np.ndarray:
    """``diag(X' K X)``, block by block: column sums of ``X * (K X)``."""
    columns: Any = matrix.tocsc()
    blocks = []
    for start in range(0, columns.shape[1], _BLOCK):
        block = columns[:, start : start + _BLOCK]
        blocks.append(np.asarray(block.multiply(inverse_UU @ block).sum(axis=0)).ravel())
    return np.concatenate(blocks)


COMPONENT = Component("baseline", "ease", Ease, EaseConfig)
