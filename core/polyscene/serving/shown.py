"""What a scenario showed lately: how much of its catalogue, how evenly, and with what scores."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

import numpy as np

_LISTS, _FIRST = 1000, 1000
_BINS = 10
_LEAST = 100
_SMALLEST_SHARE = 1e-4


class Shown:
    """The last thousand lists of a scenario, and the best scores of the first thousand to compare with."""

    def __init__(self) -> None:
        self._lists: deque[tuple[str, ...]] = deque(maxlen=_LISTS)
        self._best: deque[float] = deque(maxlen=_LISTS)
        self._first: list[float] = []

    def add(self, items: Sequence[str], scores: Sequence[float]) -> None:
        """Take in a list that was shown."""
        self._lists.append(tuple(items))
        if scores:
            if len(self._first) < _FIRST:
                self._first.append(scores[0])
            else:
                self._best.append(scores[0])

    def restart(self) -> None:
        """Compare with the scores from here on."""
        self._first.clear()
        self._best.clear()

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

    def stability(self) -> float:
        """Population stability index of best scores, lately against the first thousand; 0 before there are enough.

        Bins are the deciles of the first ones. Above 0.25 is commonly read as another population.
        """
        if len(self._first) < _FIRST or len(self._best) < _LEAST:
            return 0.0
        edges = np.quantile(self._first, np.linspace(0, 1, _BINS + 1)[1:-1])
        first, lately = (
            np.bincount(np.searchsorted(edges, values), minlength=_BINS) / len(values)
            for values in (np.array(self._first), np.array(self._best))
        )
        first, lately = np.maximum(first, _SMALLEST_SHARE), np.maximum(lately, _SMALLEST_SHARE)
        return float(((lately - first) * np.log(lately / first)).sum())
