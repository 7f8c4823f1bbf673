"""When two trainings are equally good, and how long each took to get there."""

from __future__ import annotations

from collections.abc import Sequence

Curve = Sequence[tuple[int, float]]
"""Steps so far and quality, in order."""


def common_level(*curves: Curve) -> float:
    """The best quality that all of them reach: the lowest of their highest values."""
    return min(max(quality for _, quality in curve) for curve in curves)


def seconds_to(level: float, curve: Curve, seconds_per_step: float) -> float:
    """Seconds until a curve is first at a level.

    Raises:
        ValueError: it never is.
    """
    for step, quality in curve:
        if quality >= level:
            return step * seconds_per_step
    raise ValueError(f"the curve never reaches {level}")
