"""Paired tests: against scipy's own, and in the cases where a test has nothing to say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from polyscene.comparison.significance import PairedTest, adjusted, paired

NONE: tuple[dict[int, np.ndarray], dict[int, np.ndarray]] = ({}, {})


def test_over_seeds_it_is_the_paired_t_test() -> None:
    one, other = {0: 0.30, 1: 0.35, 2: 0.33, 7: 0.9}, {0: 0.28, 1: 0.31, 2: 0.32}
    found = paired(one, other, NONE)
    assert found is not None
    assert found.by_seeds == pytest.approx(stats.ttest_rel([0.30, 0.35, 0.33], [0.28, 0.31, 0.32])[1])
    assert found.difference == pytest.approx((0.02 + 0.04 + 0.01) / 3)
    assert (found.seeds, found.requests, found.by_requests) == (3, 0, None)


def test_over_requests_it_pairs_what_is_averaged_over_the_seeds() -> None:
    rng = np.random.default_rng(0)
    mine = {seed: rng.random(40) for seed in (0, 1)}
    theirs = {seed: mine[seed] - rng.random(40) * 0.2 for seed in (0, 1)}
    mine[0][3] = np.nan  # nothing to find: the request counts for nobody
    found = paired({0: 1.0, 1: 1.0}, {0: 0.9, 1: 0.9}, (mine, theirs))
    assert found is not None
    kept = np.arange(40) != 3
    means = [np.mean([values[seed] for seed in (0, 1)], axis=0)[kept] for values in (mine, theirs)]
    assert found.by_requests == pytest.approx(stats.ttest_rel(*means)[1])
    assert found.requests == 39


def test_counts_which_know_no_seed_are_tested_over_requests_only() -> None:
    values = np.linspace(0, 1, 20)
    found = paired({0: 0.5, 1: 0.5}, {0: 0.4, 1: 0.4}, ({0: values, 1: values}, {0: values**2, 1: values**2}))
    assert found is not None
    assert found.by_seeds is None
    assert found.by_requests is not None
    assert found.by_requests < 0.01
    assert found.marks == "*"
    assert found.clear


def test_identical_methods_do_not_differ() -> None:
    values = {0: np.array([0.1, 0.2, 0.7])}
    found = paired({0: 0.3}, {0: 0.3}, (values, values))
    assert found is not None
    assert found == PairedTest(0.0, None, 1.0, 1, 3)
    assert not found.clear


def test_requests_of_other_rows_are_not_paired() -> None:
    found = paired({0: 0.3}, {0: 0.2}, ({0: np.ones(3)}, {0: np.zeros(4)}))
    assert found is not None
    assert (found.by_requests, found.requests) == (None, 0)


def test_without_a_common_seed_there_is_no_test() -> None:
    assert paired({0: 0.3}, {1: 0.2}, NONE) is None


def test_it_is_clear_only_where_every_test_says_so() -> None:
    assert PairedTest(0.1, 0.01, 0.001, 3, 9).clear
    assert not PairedTest(0.1, 0.2, 0.001, 3, 9).clear
    assert not PairedTest(0.1, None, None, 1, 0).clear
    assert PairedTest(0.1, 0.01, 0.2, 3, 9).marks == "†"


def test_many_comparisons_are_adjusted_each_question_on_its_own() -> None:
    # The example of Benjamini and Hochberg (1995), section 3.1: fifteen p-values of one study.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528]
    p += [0.759, 1.0]
    found = adjusted([PairedTest(0.1, None, value, 1, 9) for value in p] + [PairedTest(0.1, 0.04, None, 3, 0)])
    below = [test for test in found if test.by_requests is not None and test.by_requests <= 0.05]
    assert len(below) == 4  # what the paper rejects at .05
    assert found[0].by_requests == pytest.approx(0.0001 * 15)
    assert found[-1].by_seeds == 0.04
