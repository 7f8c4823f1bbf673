"""Differences between two models, seed by seed, and whether they are clear."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev

from polyscene.report.summary import CLEAR

BETTER, WORSE, WITHIN, UNKNOWN = "clearly better", "clearly worse", "within spread", "of unknown spread"


@dataclass(frozen=True)
class Measured:
    """A figure of one model: its value and the standard error over users, where it is known."""

    value: float
    standard_error: float | None = None


@dataclass(frozen=True)
class Difference:
    """One model minus another.

    Args:
        mean: the mean difference over seeds.
        spread: the standard deviation of the differences over seeds; with one seed, the standard error over users,
            taking both models as independent, or None where it is not known.
        seeds: number of seeds.
        verdict: whether the first model is clearly better or worse, by more than two spreads, or within them.
    """

    mean: float
    spread: float | None
    seeds: int
    verdict: str


def difference(
    one: Mapping[int | None, Measured], other: Mapping[int | None, Measured], *, lower_is_better: bool = False
) -> Difference | None:
    """``one`` minus ``other`` over the seeds that both have; a count, which has no seed, stands for every seed.

    Both models of a seed begin with the same weights and see the same order of rows, so they are compared seed by
    seed: what a seed does to both cancels.

    Args:
        one, other: figures by seed.
        lower_is_better: whether a negative difference is the better one.

    Returns:
        The difference, None where there is no common seed.
    """
    constant = other.get(None)
    pairs = [
        (figure, constant or other[seed]) for seed, figure in one.items() if constant is not None or seed in other
    ]
    if not pairs:
        return None
    differences = [mine.value - theirs.value for mine, theirs in pairs]
    mean, spread = fmean(differences), _spread(differences, pairs)
    return Difference(mean, spread, len(pairs), _verdict(-mean if lower_is_better else mean, spread))


def _spread(differences: list[float], pairs: list[tuple[Measured, Measured]]) -> float | None:
    if len(differences) > 1:
        return stdev(differences)
    errors = [figure.standard_error for figure in pairs[0]]
    return math.hypot(*(error for error in errors if error is not None)) if None not in errors else None


def _verdict(gain: float, spread: float | None) -> str:
    if spread is None:
        return UNKNOWN
    if gain == 0 or abs(gain) <= CLEAR * spread:
        return WITHIN
    return BETTER if gain > 0 else WORSE
