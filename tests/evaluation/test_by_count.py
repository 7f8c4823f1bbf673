"""Targets by how often training saw their item, counted by hand."""

from __future__ import annotations

import math

import pytest
import torch

from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.evaluation.by_count import ByCount
from polyscene.evaluation.evaluator import evaluate_method
from polyscene.evaluation.measured import Measured
from polyscene.evaluation.requests import Requests
from polyscene.evaluation.subject import Subject
from tests.evaluation.test_evaluator import scoring, subject  # noqa: F401  (subject is a fixture)
from tests.tiny import SHOP, tiny_model, tiny_session

BEST_FIRST = scoring([[float(item) for item in range(5)]] * 3)


def test_every_target_is_in_one_group(subject: Subject) -> None:  # noqa: F811
    """Known users ask for 2, 3 and 4, which training never saw; user 1 had 1 before, so it is no target."""
    kept = ByCount()
    evaluate_method(subject, "rising", lambda _: BEST_FIRST, seed=0, keep=kept.add)
    assert kept.rows() == [
        {
            "scenario": "toy",
            "method": "rising",
            "low": 0,
            "high": 0,
            "targets": 3,
            "value": 1.0,
            "standard_error": 0.0,
        }
    ]


def test_groups_lie_side_by_side_and_their_means_add_up_to_the_whole() -> None:
    _, data, config = tiny_model([SHOP])
    shop = tiny_session(config).subject(SHOP, data.scenarios[SHOP])
    items_1N = torch.arange(shop.events.n_items).unsqueeze(0)
    kept, rankings = ByCount(), []

    def both(measured: Measured) -> None:
        kept.add(measured)
        if measured.main and measured.population.name in {"warm", "cold_all"}:
            rankings.append(measured.ranking)

    def scores(requests: Requests, view: View) -> torch.Tensor:
        return (requests.user_B.unsqueeze(1) * 7 + 3 * items_1N) % 11

    evaluate_method(shop, "some", lambda _: scores, seed=0, keep=both)
    rows = kept.rows()
    assert rows[0]["low"] == 0
    assert len(rows) > 2
    assert [row["high"] for row in rows[:2]] == [0, 3]
    trained_N = shop.events.matrix([Phase.TRAIN]).sum(axis=0).A1
    asked = [trained_N[item] for ranking in rankings for item in ranking.item_M.tolist()]
    for row in rows:
        high = math.inf if row["high"] is None else row["high"]
        assert row["targets"] == sum(row["low"] <= count <= high for count in asked)
    assert sum(row["targets"] for row in rows) == sum(len(ranking.rank_M) for ranking in rankings)
    hits = sum(int((ranking.rank_M <= 10).sum()) for ranking in rankings)
    assert hits > 0
    assert sum(row["targets"] * row["value"] for row in rows) == pytest.approx(hits)
    for row in rows:
        share, targets = row["value"], row["targets"]
        assert row["standard_error"] == pytest.approx(math.sqrt(share * (1 - share) / targets))
