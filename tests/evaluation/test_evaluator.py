"""The evaluator: rows of results from scores that are known, for models and baselines alike."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.scenario import Scenario, View
from polyscene.evaluation.baselines.history import History
from polyscene.evaluation.baselines.popularity import Popularity, PopularityConfig
from polyscene.evaluation.evaluator import baseline_scorer, evaluate_method, evaluate_scorer, validation_score
from polyscene.evaluation.ratings import evaluate_ratings
from polyscene.evaluation.requests import POPULATIONS, VALIDATION, Requests
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.training.loading import Loaded
from tests.tiny import FACTS, PEOPLE, SHOP, tiny_model

EVERY = {population.name: population for population in (*POPULATIONS, VALIDATION)}
NEW, AGAIN = View("new"), View("everything", mask_history=False)


def no_load(config: object, data: object) -> None:
    raise AssertionError


@pytest.fixture
def subject() -> Subject:
    """Three users and five items; item 4 is cold and user 2 is kept out of training.

    ====  ==========  =======  ==========  ====  ====
    user  train       known    validation  test  cold
    ====  ==========  =======  ==========  ====  ====
    0     0, 1                 2           3     4
    1     1                    0           1, 2
    2                 0, 2                 1     4
    ====  ==========  =======  ==========  ====  ====
    """
    return Subject("toy", Scenario("toy", no_load, views=(NEW, AGAIN)), _events(), True, "by hand")  # type: ignore[arg-type]


def _events() -> Events:
    rows = [0, 1, 2, 3, 4, 1, 0, 1, 2, 0, 2, 1, 4]
    return Events(
        item_R=torch.tensor(rows, dtype=torch.int32),
        value_R=torch.ones(len(rows)),
        time_R=torch.arange(len(rows)),
        start_UP=torch.tensor([[0, 2, 2, 3, 4, 5], [5, 6, 6, 7, 9, 9], [9, 9, 11, 11, 12, 13]]),
        n_items=5,
        cold_N=torch.tensor([False, False, False, False, True]),
        cold_U=torch.tensor([False, False, True]),
    )


def scoring(scores_UN: list[list[float]]) -> Callable[[Requests, View], Tensor]:
    return lambda requests, view: torch.tensor(scores_UN)[requests.user_B]


RISING = scoring([[0.0, 1.0, 2.0, 3.0, 4.0]] * 3)  # item 4 first, item 0 last


def test_warm_ranks_by_hand(subject: Subject) -> None:
    """User 0: 3 behind 4 among the unseen 3, 4. User 1: target 2 behind 4, 3 among 2, 3, 4 (1 was seen)."""
    found = evaluate_scorer(subject, EVERY["warm"], NEW, RISING)
    assert found["ndcg@10"].users == 2
    assert found["ndcg@10"].mean == pytest.approx((1 / math.log2(3) + 1 / math.log2(4)) / 2)
    assert found["mrr"].mean == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert found["recall@10"].mean == 1.0


def test_without_a_mask_what_was_seen_is_ranked_and_asked_for(subject: Subject) -> None:
    """User 0: 3 is second of five. User 1: 2 is third and 1 fourth."""
    found = evaluate_scorer(subject, EVERY["warm"], AGAIN, RISING)
    ideal = 1 + 1 / math.log2(3)
    expected = (1 / math.log2(3) + (1 / math.log2(4) + 1 / math.log2(5)) / ideal) / 2
    assert found["ndcg@10"].mean == pytest.approx(expected)
    assert found["mrr"].mean == pytest.approx((1 / 2 + 1 / 3) / 2)


def test_cold_items_are_ranked_among_cold_items_or_among_all(subject: Subject) -> None:
    falling = scoring([[4.0, 3.0, 2.0, 1.0, 0.0]] * 3)
    assert evaluate_scorer(subject, EVERY["cold"], NEW, falling)["mrr"].mean == 1.0
    among_all = evaluate_scorer(subject, EVERY["cold_all"], NEW, falling)
    # Unseen before the test: 3 and 4 for user 0 (validation counts as seen).
    assert among_all["mrr"].mean == pytest.approx(1 / 2)
    assert among_all["mrr"].users == 1


def test_cold_users(subject: Subject) -> None:
    both = evaluate_scorer(subject, EVERY["cold_both"], NEW, RISING)
    assert (both["mrr"].users, both["mrr"].mean) == (1, 1.0)  # the only cold item, for the only cold user
    found = evaluate_scorer(subject, EVERY["cold_user"], NEW, RISING)
    assert found["mrr"].users == 1
    assert found["mrr"].mean == pytest.approx(1 / 3)  # 1 behind 4 and 3; 0 and 2 are known


def test_rows_of_a_method(subject: Subject) -> None:
    rows = evaluate_method(subject, "rising", lambda _: RISING, seed=3)
    assert {row["view"] for row in rows} == {"new", "everything"}
    assert {row["population"] for row in rows} == EVERY.keys() - {"validation"}
    for row in rows:
        assert (row["protocol"], row["scenario"], row["method"], row["seed"]) == ("by hand", "toy", "rising", 3)
        assert math.isfinite(row["value"])
    coverage = {(row["view"], row["population"]): row["value"] for row in rows if row["metric"] == "coverage@10"}
    assert coverage["new", "warm"] == pytest.approx(3 / 5)  # 2, 3 and 4 are in some list
    one = [row for row in rows if row["population"] == "cold_user"]
    assert all(row["standard_error"] is None for row in one), "one user has no spread"
    for population in EVERY.keys() - {"validation"}:
        only = evaluate_method(subject, "rising", lambda _: RISING, seed=3, only=population)
        assert {row["population"] for row in only} == {population}


def test_the_validation_score_is_ndcg_of_the_first_view(subject: Subject) -> None:
    """User 0 asks for 2 behind 4, 3; user 1 for 0 behind 4, 3, 2."""
    score = validation_score({"toy": subject}, {"toy": RISING}, limit=0)
    assert score == {"toy": pytest.approx((1 / math.log2(4) + 1 / math.log2(5)) / 2)}


def test_a_baseline_sees_the_past_that_a_model_sees(subject: Subject) -> None:
    class Noting(Popularity):
        def scores(self, users: np.ndarray, history: History) -> np.ndarray:
            per_user = history.seen().tolil().rows
            seen.append({int(user): sorted(items) for user, items in zip(users, per_user, strict=True)})
            return super().scores(users, history)

    for population, expected in (
        ("warm", {0: [0, 1, 2], 1: [0, 1]}),
        ("validation", {0: [0, 1], 1: [1]}),
        ("cold", {0: [0, 1, 2]}),
        ("cold_both", {2: [0, 2]}),
        ("cold_user", {2: [0, 2]}),
    ):
        seen: list[dict[int, list[int]]] = []
        baseline = Noting(PopularityConfig())
        baseline.fit(subject.events, None)
        evaluate_scorer(subject, EVERY[population], NEW, baseline_scorer(baseline, subject, EVERY[population]))
        assert seen == [expected], population


def test_equal_scores_are_worth_chance() -> None:
    """A thousand users, one target among 100 items: hit@10 is 0.1 within four standard errors."""
    users, items = 1000, 100
    rng = np.random.default_rng(0)
    item_R = torch.from_numpy(rng.integers(items, size=users)).int()
    start = torch.arange(users)
    events = Events(
        item_R=item_R,
        value_R=torch.ones(users),
        time_R=torch.zeros(users, dtype=torch.int64),
        start_UP=torch.stack([start] * (Phase.TEST + 1) + [start + 1] * 2, dim=1),
        n_items=items,
        cold_N=torch.zeros(items, dtype=torch.bool),
        cold_U=torch.zeros(users, dtype=torch.bool),
    )
    subject = Subject("chance", Scenario("chance", no_load), events, True, "")  # type: ignore[arg-type]
    found = evaluate_scorer(
        subject, EVERY["warm"], View(), lambda requests, _: torch.zeros(len(requests.user_B), items)
    )
    assert found["hit@10"].mean == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / users))


@pytest.fixture(scope="module")
def built() -> tuple[PolysceneModel, Loaded]:
    model, loaded, _ = tiny_model((SHOP, PEOPLE, FACTS))
    return model.eval(), loaded


def test_ratings_against_a_loop(built: tuple[PolysceneModel, Loaded]) -> None:
    """RMSE and MAE of test rows of users in training, one prediction at a time."""
    model, loaded = built
    task = model.tasks_of(SHOP)["rating"]
    torch.manual_seed(0)
    with torch.no_grad():
        task.bilinear.weight.normal_()  # type: ignore[union-attr]
        task.bias_N.normal_()  # type: ignore[operator]
    one = loaded.scenarios[SHOP]
    events = one.events
    subject = Subject(SHOP, one.scenario, events, True, "")
    length = one.config.max_history
    with torch.inference_mode():
        rows = evaluate_ratings(model, subject, length, "joint", 0)
        errors, distances = [], []
        for requests in subject.requests(EVERY["warm"], one.scenario.views[0]):
            h_Bd = model.user_states(SHOP, requests.windows(events, length), model.catalogue(SHOP))
            for h_d, user in zip(h_Bd, requests.user_B.tolist(), strict=True):
                for row in range(*events.start_UP[user, Phase.TEST : Phase.TEST + 2].tolist()):
                    item = events.item_R[row].long()
                    x_d = model.catalogue(SHOP).take(item)
                    predicted = task.predict(h_d, x_d, item)  # type: ignore[operator]
                    errors.append(float(predicted - events.value_R[row]))
                    distances.append(float(task.mean - events.value_R[row]))  # type: ignore[operator]
    value = {(row["method"], row["metric"]): row["value"] for row in rows}
    assert value["joint", "rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-4)
    assert value["joint", "mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-4)
    assert value["mean_rating", "rmse"] == pytest.approx(np.sqrt(np.mean(np.square(distances))), rel=1e-4)
    assert {row["users"] for row in rows} == {len(errors)}


def test_scenarios_without_ratings_have_no_rating_rows(built: tuple[PolysceneModel, Loaded]) -> None:
    model, loaded = built
    one = loaded.scenarios[PEOPLE]
    assert evaluate_ratings(model, Subject(PEOPLE, one.scenario, one.events, True, ""), 5, "joint", 0) == []
