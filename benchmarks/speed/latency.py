"""Latencies: requests of several sides in turns, and what so many percent of them stay below."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.speed.figures import Figures

PERCENTILES, ENOUGH = (50, 95, 99), 20


def in_turns(sides: Mapping[str, Callable[[], object]], rounds: int, requests: int) -> dict[str, np.ndarray]:
    """Seconds ``[rounds, requests]`` of each side, which take turns request by request."""
    for run in sides.values():
        run()
    times = {side: np.zeros((rounds, requests)) for side in sides}
    for turn in range(rounds):
        for request in range(requests):
            for side in sorted(sides, reverse=request % 2 == 1):
                started = time.perf_counter()
                sides[side]()
                times[side][turn, request] = time.perf_counter() - started
    return times


def ratios(times_RM: np.ndarray, others_RM: np.ndarray) -> list[float]:
    """How many times the others' median each round's median is."""
    return (np.median(times_RM, axis=1) / np.median(others_RM, axis=1)).tolist()


def add_percentiles(figures: Figures, protocol: str, scenario: str, method: str, times_RM: np.ndarray) -> None:
    """Milliseconds in which so many percent of a round's requests are answered; the median of few ones alone."""
    for percent in PERCENTILES if times_RM.shape[1] >= ENOUGH else PERCENTILES[:1]:
        values = 1e3 * np.percentile(times_RM, percent, axis=1)
        figures.add(protocol, scenario, method, f"p{percent} in ms", values.tolist())
