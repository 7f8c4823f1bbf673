"""Off-policy estimates where the truth is known: bias, coverage, and what makes them refuse."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from polyscene.errors import ConfigError, ExperimentError
from polyscene.experiments.offpolicy import Trials, estimate_policy, read_targets
from polyscene.experiments.offpolicy.direct import direct_values

ITEMS, PLACES, EPSILON, RUNS = 6, 2, 0.5, 150


def simulate(seed: int, features: str = "none", users: int = 150, lists: int = 3) -> tuple[Trials, float]:
    """A log of epsilon-greedy lists by one order, the target by another, and the target's true value in it."""
    generator = np.random.default_rng(seed)
    rate_UK = np.clip(
        np.linspace(0.1, 0.8, ITEMS) + generator.uniform(-0.1, 0.1, (users, ITEMS)), 0, 1
    )  # lists of one user share these
    look_k = np.array([1.0, 0.5])
    user_L = np.repeat(np.arange(users), lists)
    order_LK = generator.permuted(np.tile(np.arange(ITEMS), (len(user_L), 1)), axis=1)
    other_LK = generator.permuted(order_LK, axis=1)
    explored_L = generator.random(len(user_L)) < EPSILON
    shown_LK = np.where(explored_L[:, None], generator.permuted(order_LK, axis=1), order_LK)[:, :PLACES]
    ideal = (rate_UK[user_L[:, None], other_LK[:, :PLACES]] * look_k).sum() / len(user_L)
    chance_Lk = (1 - EPSILON) * (shown_LK == order_LK[:, :PLACES]) + EPSILON / ITEMS
    target_Lk = (shown_LK == other_LK[:, :PLACES]).astype(float)
    reward_Lk = generator.random(shown_LK.shape) < rate_UK[user_L[:, None], shown_LK] * look_k
    place_Lk = np.tile(np.arange(PLACES), (len(user_L), 1))
    told: list[np.ndarray | None] = [None, None]
    if features != "none":
        items = (shown_LK, other_LK[:, :PLACES])
        told = [_features(one, place_Lk, features, generator) for one in items]
    list_Lk = np.tile(np.arange(len(user_L))[:, None], (1, PLACES))
    columns = (user_L[list_Lk], list_Lk, place_Lk, chance_Lk, target_Lk, reward_Lk.astype(float))
    return Trials(*(one.ravel() for one in columns), *told), float(ideal)  # type: ignore[arg-type]


def _features(item_Lk: np.ndarray, place_Lk: np.ndarray, kind: str, generator: np.random.Generator) -> np.ndarray:
    if kind == "junk":
        return generator.normal(size=(item_Lk.size, 3)) + 5
    both = np.eye(ITEMS * PLACES)[(item_Lk * PLACES + place_Lk).ravel()]
    return both.astype(float)


@pytest.fixture(scope="module", params=["good", "junk"])
def errors(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """By method, for each run: the error of the estimate and whether its interval holds the truth."""
    found: dict[str, list[tuple[float, bool]]] = {}
    for seed in range(RUNS):
        trials, truth = simulate(seed, request.param)
        for one in estimate_policy(trials):
            found.setdefault(one.method, []).append((one.value - truth, one.low <= truth <= one.high))
    return {request.param: np.zeros(0), **{name: np.array(rows) for name, rows in found.items()}}


@pytest.mark.parametrize("method", ["ips", "snips", "dr"])
def test_estimates_are_unbiased_and_their_intervals_hold(errors: dict[str, np.ndarray], method: str) -> None:
    error_S, held_S = errors[method].T
    assert abs(error_S.mean()) < 4 * error_S.std() / RUNS**0.5, f"biased by {error_S.mean():.4f}"
    assert 0.88 <= held_S.mean() <= 0.995, f"intervals hold in {held_S.mean():.2f}"


def test_doubly_robust_is_its_formula_where_the_other_policy_differs() -> None:
    """The model speaks for what the other would show, weighted errors for what was shown; not the reverse."""
    trials, _ = simulate(0, "good")
    best_Rf = np.eye(ITEMS * PLACES)[(ITEMS - 1) * PLACES + trials.place_R]
    better = dataclasses.replace(trials, mean_Rf=best_Rf)
    shown_R, other_R = direct_values(better)
    assert abs(shown_R.mean() - other_R.mean()) > 0.02
    [found] = [one.value for one in estimate_policy(better) if one.method == "dr"]
    terms_R = other_R + better.target_R / better.chance_R * (better.reward_R - shown_R)
    assert found == pytest.approx(terms_R.sum() / (better.list_R.max() + 1))


def test_what_was_logged_is_no_estimate_of_the_other(errors: dict[str, np.ndarray]) -> None:
    """The target's lists are as good on average here, so it is the noise of each run that tells them apart."""
    assert errors["logged"][:, 1].mean() <= errors["ips"][:, 1].mean()


def test_a_good_model_makes_estimates_more_certain(errors: dict[str, np.ndarray]) -> None:
    spread = {name: errors[name][:, 0].std() for name in ("ips", "dr")}
    if "good" in errors:
        assert spread["dr"] < 0.8 * spread["ips"]


def test_a_policy_that_follows_the_log_gets_what_was_logged() -> None:
    trials, _ = simulate(0)
    found = estimate_policy(dataclasses.replace(trials, target_R=trials.chance_R))
    values = {one.method: one.value for one in found}
    assert values["ips"] == pytest.approx(values["logged"])
    assert values["snips"] == pytest.approx(values["logged"])
    assert found[1].size == len(trials.reward_R)


def test_users_are_the_unit() -> None:
    """The same lists twice under the same users tell nothing new; under other users they would."""
    trials, _ = simulate(1)
    lists = trials.list_R.max() + 1
    columns = [getattr(trials, field.name) for field in dataclasses.fields(trials)[:6]]
    double = [np.concatenate([one, one]) for one in columns]
    double[1][len(columns[1]) :] += lists
    once, twice = (estimate_policy(Trials(*each))[1] for each in (columns, double))
    assert twice.high - twice.low == pytest.approx(once.high - once.low)


def test_the_model_is_never_asked_about_users_that_it_learned_from() -> None:
    """With 200 random features it would know their rewards by heart."""
    trials, _ = simulate(1)
    feature_Rf = np.random.default_rng(1).normal(size=(len(trials.reward_R), 200))
    shown_R, _ = direct_values(dataclasses.replace(trials, feature_Rf=feature_Rf, mean_Rf=feature_Rf))
    assert abs(np.corrcoef(shown_R, trials.reward_R)[0, 1]) < 0.15


def test_clipped_weights_are_stated() -> None:
    trials, _ = simulate(2)
    plain, clipped = estimate_policy(trials)[1], estimate_policy(trials, clip=2.0)[1]
    assert plain.clipped == 0
    assert clipped.clipped == pytest.approx((trials.target_R / trials.chance_R > 2).mean())
    assert clipped.value < plain.value


def test_what_cannot_be_estimated_is_refused() -> None:
    trials, _ = simulate(3)
    same = trials.chance_R > EPSILON
    kept = [getattr(trials, field.name)[same] for field in dataclasses.fields(trials)[:6]]
    greedy = dataclasses.replace(Trials(*kept), chance_R=np.ones(same.sum()))
    with pytest.raises(ExperimentError, match="support is lacking"):
        estimate_policy(greedy)
    with pytest.raises(ExperimentError, match="must be 1: propensities or targets are wrong"):
        estimate_policy(dataclasses.replace(trials, chance_R=trials.chance_R / 3))
    with pytest.raises(ExperimentError, match="fewer than 20"):
        estimate_policy(simulate(3, users=8)[0])
    with pytest.raises(ConfigError, match="clip is -1"):
        estimate_policy(trials, clip=-1)
    rare = np.where(np.arange(len(trials.chance_R)) < 3, len(trials.chance_R) / 3, 0)
    with pytest.raises(ExperimentError, match=r"worth 3\.0 shown items"):
        estimate_policy(dataclasses.replace(trials, chance_R=np.ones_like(rare), target_R=rare))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 cannot be read"),
        ('{"event_id": "b"}', "'propensities' is missing"),
        ('{"event_id": "b", "propensities": [2]}', "not numbers from 0 to 1"),
        ('{"event_id": "b", "propensities": [NaN]}', "not numbers from 0 to 1"),
        ('{"event_id": "a", "propensities": [1]}', "repeats 'a'"),
        ('{"event_id": "b", "propensities": [1], "features": [[1, 2]]}', "'mean_features' is missing"),
        ('{"event_id": "b", "propensities": [1], "features": [[1]], "mean_features": [[1, 2]]}', "equally many"),
        ("[]", "line 2 cannot be read"),
    ],
)
def test_a_line_that_is_no_target_is_named(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "targets.jsonl"
    path.write_text('{"event_id": "a", "propensities": [0.5]}\n' + line, encoding="utf-8")
    with pytest.raises(ExperimentError, match=message):
        read_targets(path)
    with pytest.raises(ExperimentError, match="no such file"):
        read_targets(tmp_path / "nowhere")
