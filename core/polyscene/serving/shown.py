"""What a scenario showed lately: how much of its catalogue, how evenly, to whom, and with what scores."""

from __future__ import annotations

import json
import logging
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyscene.errors import PolysceneError
from polyscene.serving.drift import Drift
from polyscene.training.files import read_json, write_text

_LOG = logging.getLogger(__name__)
_LISTS = 1000


class Shown:
    """The last thousand lists of a scenario, and what a version's first thousand were like.

    The first ones are kept in a file, so that restarts and other workers compare with the same, and so that a
    version that serves again is compared with itself.

    Args:
        place: the file; None keeps none.

    Attributes:
        scores: the best scores of lists.
        steps: how much was known of those who asked.
    """

    def __init__(self, place: Path | None = None) -> None:
        self._lists: deque[tuple[str, ...]] = deque(maxlen=_LISTS)
        self.restart(place)

    def restart(self, place: Path | None = None) -> None:
        """Compare with the first lists of another version: those in a file, or those from here on."""
        self.scores, self.steps = Drift(), Drift()
        self._place = place
        self._kept = place is not None and self._read(place)

    def add(self, items: Sequence[str], scores: Sequence[float], steps: int = 0) -> None:
        """Take in a list that was shown.

        Args:
            items: what it holds.
            scores: of the model.
            steps: how many of the past it was made from.
        """
        self._lists.append(tuple(items))
        self.steps.add(steps)
        if scores:
            self.scores.add(max(scores))
        if not self._kept:
            self._keep()

    def coverage(self, catalogue: int) -> float:
        """Share of ``catalogue`` items that were shown at all."""
        return len({item for shown in self._lists for item in shown}) / max(1, catalogue)

    def concentration(self) -> float:
        """Gini coefficient over the items shown: 0 where all were shown alike, near 1 where few take all."""
        count_n = np.sort(list(Counter(item for shown in self._lists for item in shown).values()))
        n = len(count_n)
        if n == 0:
            return 0.0
        return float((2 * np.arange(1, n + 1) - n - 1) @ count_n / (n * count_n.sum()))

    def _keep(self) -> None:
        """Keep the first lists once there are enough, unless another worker was quicker: then compare with its."""
        scores, steps, place = self.scores.kept(), self.steps.kept(), self._place
        if scores is None or steps is None:
            return
        self._kept = True
        # A deployment that is gone is not made anew.
        if place is None or self._read(place) or not place.parent.is_dir():
            return
        try:
            write_text(place, json.dumps({"scores": scores, "steps": steps}) + "\n")
        except PolysceneError as error:
            _LOG.warning("drift is told from a restart on, not from the version's beginning: %s", error)

    def _read(self, place: Path) -> bool:
        """Compare with the first lists in a file; whether there are any."""
        if not place.exists():
            return False
        try:
            found = read_json(place)
            self.scores, self.steps = Drift.since(found["scores"]), Drift.since(found["steps"])
        except (PolysceneError, KeyError, TypeError, ValueError) as error:
            _LOG.warning("%s is damaged, and drift is told from here on: %r", place, error)
            return False
        return True
