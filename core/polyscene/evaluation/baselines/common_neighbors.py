"""Common neighbors: friends of friends."""

from __future__ import annotations

import numpy as np

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.evaluation.baselines.baseline import TRAIN, Baseline, need_people
from polyscene.evaluation.baselines.history import History
from polyscene.evaluation.baselines.sparse import dense, row_counts, scaled_rows, undirected
from polyscene.registry.components import Component


class CommonNeighbors(Baseline):
    """Number of people linked to both (Liben-Nowell and Kleinberg, 2007)."""

    name = "common_neighbors"

    def __init__(self, config: None = None) -> None:
        self.config = config

    def fit(self, events: Events, item_embeddings: np.ndarray | None, phases: tuple[Phase, ...] = TRAIN) -> None:
        need_people(events, self.name)
        adjacency = undirected(events.matrix(phases))
        weight_N = self.neighbor_weight(row_counts(adjacency))
        self.reach = scaled_rows(weight_N, adjacency)

    def scores(self, users: np.ndarray, history: History) -> np.ndarray:
        return dense(history.seen(), self.reach)

    def neighbor_weight(self, degree_N: np.ndarray) -> np.ndarray:
        """Float32 ``[N]``: what a shared neighbor of each degree is worth."""
        return np.ones(len(degree_N), dtype=np.float32)


COMPONENT = Component("baseline", "common_neighbors", CommonNeighbors)
