"""Random walk with restart over links (Tong, Faloutsos and Pan, 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.evaluation.baselines.baseline import TRAIN, Baseline, need_people
from polyscene.evaluation.baselines.history import History
from polyscene.evaluation.baselines.sparse import row_counts, scaled_rows, undirected
from polyscene.registry.components import Component


@dataclass
class RandomWalkConfig:
    """Options of the random walk baseline.

    Args:
        restart: chance at each step to go back to the user.
        steps: number of steps; what is left after them is (1 - restart) to that power.
    """

    restart: float = 0.5
    steps: int = 8


class RandomWalk(Baseline):
    """How often a walk from the user, which may go back at each step, stands at each person."""

    def __init__(self, config: RandomWalkConfig) -> None:
        self.config = config

    def fit(self, events: Events, item_embeddings: np.ndarray | None, phases: tuple[Phase, ...] = TRAIN) -> None:
        need_people(events, "random_walk")
        adjacency = undirected(events.matrix(phases))
        self.step = scaled_rows(1 / np.maximum(row_counts(adjacency), 1), adjacency)

    def scores(self, users: np.ndarray, history: History) -> np.ndarray:
        keep = 1 - self.config.restart
        seen = history.seen()
        at_nN = seen.toarray() / np.maximum(row_counts(seen), 1)[:, None].astype(np.float32)
        visits_nN = keep * at_nN
        for step in range(2, self.config.steps + 1):
            at_nN = at_nN @ self.step
            visits_nN += keep**step * at_nN
        return visits_nN


COMPONENT = Component("baseline", "random_walk", RandomWalk, RandomWalkConfig)
