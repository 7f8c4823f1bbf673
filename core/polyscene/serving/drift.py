"""Drift: how far a figure has moved from what it was when a version began to serve."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

FIRST, _LATELY, _LEAST = 1000, 1000, 100
_BINS = 10
_SMALLEST_SHARE = 1e-4


class Drift:
    """The last thousand values of a figure, and what to compare them with: the first thousand.

    Attributes:
        edges: the deciles of the first values; None before there are enough.
        shares: the share of first values in each of the bins between them.
    """

    def __init__(self) -> None:
        self.edges: np.ndarray | None = None
        self.shares: np.ndarray | None = None
        self._first: list[float] = []
        self._lately: deque[float] = deque(maxlen=_LATELY)

    def add(self, value: float) -> None:
        """Take in a value."""
        if self.edges is not None:
            self._lately.append(value)
            return
        self._first.append(value)
        if len(self._first) == FIRST:
            self.edges = np.quantile(self._first, np.linspace(0, 1, _BINS + 1)[1:-1])
            self.shares = self._binned(self._first)

    @classmethod
    def since(cls, kept: Mapping[str, list[float]]) -> Drift:
        """Compare with first values of which :meth:`kept` was stored.

        Raises:
            KeyError, TypeError, ValueError: these are none.
        """
        drift, edges, shares = cls(), np.array(kept["edges"], dtype=float), np.array(kept["shares"], dtype=float)
        if edges.shape != (_BINS - 1,) or shares.shape != (_BINS,):
            raise ValueError(f"{edges.shape} edges and {shares.shape} shares")
        drift.edges, drift.shares = edges, shares
        return drift

    def kept(self) -> dict[str, list[float]] | None:
        """What the first values were like; None before there are enough."""
        if self.edges is None or self.shares is None:
            return None
        return {"edges": self.edges.tolist(), "shares": self.shares.tolist()}

    def stability(self) -> float:
        """Population stability index of the last values against the first; 0 before there are enough.

        The sum of (p - q) log(p / q) over bins. Above 0.25 is commonly read as another population.
        """
        if self.shares is None or len(self._lately) < _LEAST:
            return 0.0
        first, lately = (np.maximum(share, _SMALLEST_SHARE) for share in (self.shares, self._binned(self._lately)))
        return float(((lately - first) * np.log(lately / first)).sum())

    def _binned(self, values: list[float] | deque[float]) -> np.ndarray:
        place_N = np.searchsorted(self.edges, np.array(values))  # type: ignore[arg-type]  # set by now
        return np.bincount(place_N, minlength=_BINS) / len(values)
