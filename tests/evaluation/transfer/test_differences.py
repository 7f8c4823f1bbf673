"""Differences seed by seed: pinned numbers and what they are called."""

from __future__ import annotations

import math

import pytest

from polyscene.evaluation.transfer.differences import BETTER, UNKNOWN, WITHIN, WORSE, Measured, difference


def measured(*values: float, error: float | None = 0.1) -> dict[int | None, Measured]:
    return {seed: Measured(value, error) for seed, value in enumerate(values)}


def test_what_a_seed_does_to_both_cancels() -> None:
    found = difference(measured(0.2, 0.5, 0.8), measured(0.1, 0.4, 0.7))
    assert found is not None
    assert found.mean == pytest.approx(0.1)
    assert found.spread == pytest.approx(0.0, abs=1e-12)
    assert (found.seeds, found.verdict) == (3, BETTER)


def test_mean_and_spread_by_hand() -> None:
    found = difference(measured(0.3, 0.5), measured(0.1, 0.2))  # differences 0.2 and 0.3
    assert found is not None
    assert found.mean == pytest.approx(0.25)
    assert found.spread == pytest.approx(math.sqrt(0.005))
    assert found.verdict == BETTER


@pytest.mark.parametrize(
    ("one", "lower", "verdict"),
    [
        ((0.20, 0.21), False, BETTER),
        ((0.20, 0.21), True, WORSE),
        ((0.00, 0.01), False, WORSE),
        ((0.00, 0.01), True, BETTER),
        ((0.05, 0.20), False, WITHIN),
        ((0.10, 0.10), False, WITHIN),
    ],
)
def test_verdicts(one: tuple[float, ...], lower: bool, verdict: str) -> None:
    found = difference(measured(*one), measured(0.1, 0.1), lower_is_better=lower)
    assert found is not None
    assert found.verdict == verdict


def test_one_seed_falls_back_on_users() -> None:
    found = difference(measured(0.9, error=0.03), measured(0.1, error=0.04))
    assert found is not None
    assert found.spread == pytest.approx(0.05)
    assert found.verdict == BETTER


def test_one_seed_without_errors_says_so() -> None:
    found = difference(measured(0.9, error=None), measured(0.1))
    assert found is not None
    assert (found.spread, found.verdict) == (None, UNKNOWN)


def test_a_count_stands_for_every_seed() -> None:
    found = difference(measured(0.3, 0.4), {None: Measured(0.1)})
    assert found is not None
    assert (found.mean, found.seeds) == (pytest.approx(0.25), 2)


def test_only_common_seeds_count() -> None:
    found = difference(measured(0.3, 0.9), {0: Measured(0.1, 0.0)})
    assert found is not None
    assert found.seeds == 1
    assert difference(measured(0.3), {7: Measured(0.1)}) is None
