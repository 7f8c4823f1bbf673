"""Degree: people with many links."""

from __future__ import annotations

import numpy as np

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.evaluation.baselines.baseline import TRAIN, Baseline, need_people
from polyscene.evaluation.baselines.history import History
from polyscene.evaluation.baselines.sparse import row_counts, undirected
from polyscene.registry.components import Component


class Degree(Baseline):
    """Number of training links of each person: popularity among people."""

    def __init__(self, config: None = None) -> None:
        self.config = config

    def fit(self, events: Events, item_embeddings: np.ndarray | None, phases: tuple[Phase, ...] = TRAIN) -> None:
        need_people(events, "degree")
        self.degree_N = row_counts(undirected(events.matrix(phases))).astype(np.float32)

    def scores(self, users: np.ndarray, history: History) -> np.ndarray:
        return np.broadcast_to(self.degree_N, (len(users), len(self.degree_N)))


COMPONENT = Component("baseline", "degree", Degree)
