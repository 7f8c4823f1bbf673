"""Sparse matrices as the baselines use them, with types that scipy does not give."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse


def dense(left: sparse.csr_matrix, right: sparse.csr_matrix) -> np.ndarray:
    """The product of two sparse matrices as a dense array."""
    product: Any = left @ right
    return product.toarray()


def weighted(matrix: sparse.csr_matrix, log_weights: bool) -> sparse.csr_matrix:
    """The same matrix with 1, or log(1 + value), in place of its values."""
    data = np.log1p(np.maximum(matrix.data, 0)) if log_weights else np.ones_like(matrix.data)
    return sparse.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def scaled_rows(weight_N: np.ndarray, matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Row n times ``weight_N[n]``."""
    data = matrix.data * np.repeat(weight_N, row_counts(matrix)).astype(np.float32)
    return sparse.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def row_counts(matrix: sparse.csr_matrix) -> np.ndarray:
    """Number of stored cells of each row."""
    return np.diff(np.asarray(matrix.indptr))


def undirected(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The symmetric adjacency matrix of links given in one or both directions: 1 where linked, no loops."""
    both = sparse.csr_matrix(matrix.maximum(matrix.T))
    both.setdiag(0)
    both.eliminate_zeros()
    both.data = np.ones_like(both.data)
    return both
