"""Coverage, concentration and drift of what is shown."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.serving.shown import Shown


def test_coverage_and_concentration() -> None:
    shown = Shown()
    assert shown.concentration() == 0
    for item in ("a", "b", "c", "d"):
        shown.add((item,), (1.0,))
    assert shown.coverage(8) == 0.5
    assert shown.concentration() == pytest.approx(0)
    for _ in range(996):
        shown.add(("a",), (1.0,))
    # One of four items takes nearly all: the Gini coefficient nears 1 - 1/4.
    assert shown.concentration() == pytest.approx(0.75, abs=0.01)


def test_drift_is_seen_and_noise_is_not() -> None:
    rng, shown = np.random.default_rng(0), Shown()
    for score in rng.normal(size=1000):
        shown.add(("a",), (score,))
    assert shown.stability() == 0
    for score in rng.normal(size=1000):
        shown.add(("a",), (score,))
    assert shown.stability() < 0.1
    for score in rng.normal(1.0, size=1000):
        shown.add(("a",), (score,))
    # Of a normal distribution that moved by one deviation: the integral of (p - q) log(p / q) is 1, less by bins.
    assert 0.7 < shown.stability() < 1.1
    shown.restart()
    assert shown.stability() == 0
