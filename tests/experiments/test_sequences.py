"""Looking again and again: sequences keep their level, intervals and tests for one look do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from polyscene.experiments.ratio import ratio_p_value
from polyscene.experiments.sequences import difference_sequence, sequence_margin

LOOKS = np.unique(np.geomspace(200, 5000, 25).astype(int))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_an_interval_holds_at_every_look(rate: float) -> None:
    generator = np.random.default_rng(1)
    missed, naive, runs = 0, 0, 300
    for _ in range(runs):
        # A user's rate of several lists, for users that differ.
        one_U, other_U = generator.binomial(4, generator.beta(2 * rate, 2 * (1 - rate), (2, LOOKS[-1]))) / 4
        sequences = [difference_sequence(one_U[:n], other_U[:n], 0.1, 5000) for n in LOOKS]
        missed += any(not found.low <= 0 <= found.high for found in sequences)
        spreads = [(one_U[:n].var() + other_U[:n].var()) ** 0.5 / n**0.5 for n in LOOKS]
        naive += any(abs(s.estimate) > 1.645 * spread for s, spread in zip(sequences, spreads, strict=True))
    assert stats.binomtest(missed, runs, 0.1, "greater").pvalue > 0.01, f"missed in {missed} of {runs} runs"
    assert naive > 0.25 * runs, f"the interval for one look missed in {naive} runs only: the test sees nothing"


def test_a_real_difference_is_found_and_the_interval_is_no_wider_than_need_be() -> None:
    generator = np.random.default_rng(2)
    one_U, other_U = generator.binomial(1, [[0.2], [0.1]], (2, 3000)).astype(float)
    found = difference_sequence(one_U, other_U, 0.05, 5000)
    assert found.low > 0
    fixed = 1.96 * (one_U.var() / 3000 + other_U.var() / 3000) ** 0.5
    assert 1 < (found.high - found.estimate) / fixed < 2


def test_the_margin_is_the_published_one() -> None:
    """Formula (3) of Waudby-Smith et al., computed by hand: rho^2 = 0.01, n = 100, level 0.05, spread 2."""
    log = -2 * np.log(0.05)
    planned = (log + np.log(log) + 1) / 0.01
    by_hand = 2 * np.sqrt(2 * 2 / (100**2 * 0.01) * np.log(np.sqrt(2) / 0.05))
    assert sequence_margin(100, 2.0, 0.05, planned) == pytest.approx(by_hand)


def test_the_ratio_check_may_be_looked_at_any_time() -> None:
    generator = np.random.default_rng(3)
    shares, runs = [0.3, 0.7], 200
    alarms = naive = 0
    for _ in range(runs):
        first_L = np.cumsum(generator.binomial(50, shares[0], 200))
        counts = [(first, 50 * (look + 1) - first) for look, first in enumerate(first_L)]
        alarms += min(ratio_p_value(each, shares) for each in counts) < 0.05
        users_L = 50 * np.arange(10, 201)
        z_L = (first_L[9:] - shares[0] * users_L) / np.sqrt(shares[0] * shares[1] * users_L)
        naive += bool((np.abs(z_L) > 1.96).any())  # the square is chi-square
    assert stats.binomtest(alarms, runs, 0.05, "greater").pvalue > 0.01
    assert naive > 0.2 * runs, "a check for one look should cry wolf: the test sees nothing"


def test_the_ratio_check_sees_lost_users() -> None:
    assert ratio_p_value([10_000, 9_300], [0.5, 0.5]) < 0.001
    assert ratio_p_value([10_000, 9_900], [0.5, 0.5]) > 0.05
    assert ratio_p_value([5_000, 5_000, 5_000], [0.4, 0.3, 0.3]) < 0.001
