"""Personal frequency: what the user takes most often comes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.evaluation.baselines.baseline import TRAIN, Baseline
from polyscene.evaluation.baselines.history import History
from polyscene.registry.components import Component


@dataclass
class PersonalFrequencyConfig:
    """Options of the personal frequency baseline.

    Args:
        half_life_days: if positive, a row counts half for each such span before the user's last row.
    """

    half_life_days: float = 0.0


class PersonalFrequency(Baseline):
    """The user's own (decayed) count of each item; items never taken are ordered by popularity below those.

    Useful only where the history is not masked: masked, nothing but popularity is left.
    """

    def __init__(self, config: PersonalFrequencyConfig) -> None:
        self.config = config

    def fit(self, events: Events, item_embeddings: np.ndarray | None, phases: tuple[Phase, ...] = TRAIN) -> None:
        count_N = np.bincount(events.matrix(phases).indices, minlength=events.n_items)
        # Below any decayed count that float32 can add it to, so that popularity only orders what is left.
        self.order_N = (1e-6 * count_N / max(1, count_N.max())).astype(np.float32)

    def scores(self, users: np.ndarray, history: History) -> np.ndarray:
        return history.counts(self.config.half_life_days).toarray() + self.order_N


COMPONENT = Component("baseline", "personal_frequency", PersonalFrequency, PersonalFrequencyConfig)
