"""Confidence sequences: intervals that hold at every look, however often one looks and whenever one stops."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """An estimate and what it may be; bounds are infinite where too little is known."""

    estimate: float
    low: float
    high: float


def sequence_margin(n: float, spread: float, level: float, planned: float) -> float:
    """Half the width of an asymptotic confidence sequence for a mean at n observations.

    ``s sqrt(2 (n r^2 + 1) / (n^2 r^2) log(sqrt(n r^2 + 1) / a))`` [Waudby-Smith, Arbour, Sinha, Kennedy and
    Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 2024],
    the normal mixture of Robbins with an estimated spread. ``r`` makes it narrowest near ``planned`` observations.
    The package confseq is not used: it is compiled from C++ at installation where no wheel fits, for one line.

    Args:
        n: observations so far.
        spread: their standard deviation.
        level: how often the sequence may miss the mean at some time, ``a``.
        planned: number of observations at which it is narrowest.
    """
    log = -2 * math.log(level)
    tuned = (log + math.log(log) + 1) / planned
    grown = n * tuned + 1
    return spread * math.sqrt(2 * grown / (n**2 * tuned) * math.log(math.sqrt(grown) / level))


def difference_sequence(one_U: np.ndarray, other_U: np.ndarray, level: float, planned: float) -> Interval:
    """The difference of the means of two groups of users, at any time.

    Args:
        one_U, other_U: a value for each user; the first group minus the second.
        level: how often it may miss at some time.
        planned: users of both groups at which it is narrowest.

    Returns:
        Estimate and bounds, for which the variance of one observation is ``n (s1^2 / n1 + s2^2 / n2)`` with
        ``n = n1 + n2``. They are asymptotic: decide nothing from a few dozen users.
    """
    estimate = float(one_U.mean() - other_U.mean()) if len(one_U) and len(other_U) else math.nan
    if min(len(one_U), len(other_U)) < 2:
        return Interval(estimate, -math.inf, math.inf)
    n = len(one_U) + len(other_U)
    variance = n * (one_U.var(ddof=1) / len(one_U) + other_U.var(ddof=1) / len(other_U))
    margin = sequence_margin(n, math.sqrt(variance), level, planned)
    return Interval(estimate, estimate - margin, estimate + margin)
