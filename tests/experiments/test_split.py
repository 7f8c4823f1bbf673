"""Arms by hash: even, stable, and of no concern to other experiments."""

from __future__ import annotations

from collections import Counter

import pytest
from scipy import stats

from polyscene.errors import ConfigError
from polyscene.experiments.split import Experiment

USERS = [f"user-{number}" for number in range(20_000)]


@pytest.mark.parametrize("arms", [{"control": 1, "new": 1}, {"control": 0.7, "a": 0.2, "b": 0.1}])
@pytest.mark.parametrize("salt", ["", "again"])
def test_arms_get_their_share(arms: dict[str, float], salt: str) -> None:
    trial = Experiment("ranker", arms, salt=salt)
    counts = Counter(trial.arm(user) for user in USERS)
    expected = [len(USERS) * share for share in trial.shares.values()]
    assert stats.chisquare([counts[arm] for arm in arms], expected).pvalue > 0.001


def test_experiments_and_salts_deal_independently() -> None:
    arms = {"control": 1, "new": 1}
    first = Experiment("ranker", arms)
    for other in (
        Experiment("page", arms),
        Experiment("ranker", arms, salt="2"),
        Experiment("r", arms, salt="anker"),
    ):
        table = Counter((first.arm(user), other.arm(user)) for user in USERS)
        rows = [[table[one, two] for two in arms] for one in arms]
        assert stats.chi2_contingency(rows).pvalue > 0.001


def test_who_takes_part_is_dealt_evenly_all_the_same() -> None:
    trial = Experiment("ranker", {"control": 1, "new": 1}, share=0.3)
    counts = Counter(trial.arm(user) for user in USERS)
    assert stats.binomtest(counts[None], len(USERS), 0.7).pvalue > 0.001
    assert stats.binomtest(counts["new"], counts["new"] + counts["control"], 0.5).pvalue > 0.001


def test_arms_are_the_same_on_every_machine() -> None:
    trial = Experiment("ranker", {"control": 1, "new": 2, "other": 1})
    arms = [trial.arm(user) for user in ("ann", "ben", "eve", "Zoë", "😀", "")]
    assert arms == ["control", "control", "other", "other", "other", "other"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Experiment("", {"control": -1}, share=2)
    assert all(word in str(caught.value) for word in ("no name", "1 arms", "-1", "share of users is 2"))
