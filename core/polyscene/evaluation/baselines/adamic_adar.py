"""Adamic-Adar: friends of friends, where a shared friend with few links says more."""

from __future__ import annotations

import numpy as np

from polyscene.evaluation.baselines.common_neighbors import CommonNeighbors
from polyscene.registry.components import Component


class AdamicAdar(CommonNeighbors):
    """Sum of 1 / log(degree) over people linked to both (Adamic and Adar, 2003)."""

    name = "adamic_adar"

    def neighbor_weight(self, degree_N: np.ndarray) -> np.ndarray:
        # A neighbor of degree 1 joins nobody to anybody, and log(1) = 0 must not be divided by.
        return np.where(degree_N > 1, 1 / np.log(np.maximum(degree_N, 2)), 0).astype(np.float32)


COMPONENT = Component("baseline", "adamic_adar", AdamicAdar)
