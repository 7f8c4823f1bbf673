"""Links between people as an undirected graph."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def undirected(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The symmetric adjacency matrix of links given in one or both directions: 1 where linked, no loops."""
    both = sparse.csr_matrix(matrix.maximum(matrix.T))
    both.setdiag(0)
    both.eliminate_zeros()
    both.data = np.ones_like(both.data)
    return both
