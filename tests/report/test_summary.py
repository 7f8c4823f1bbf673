"""Blocks, marks and sentences follow from the rows."""

from __future__ import annotations

import random
from typing import Any

import pytest

from polyscene.report.summary import blocks, lower_is_better, seed_statement, spread_statement, verdict


def rows(*values: tuple[str, float, float | None], metric: str = "ndcg@10", seed: int = 0) -> list[dict[str, Any]]:
    common = {"protocol": "p", "scenario": "s", "view": "all", "population": "warm", "users": 10}
    return [
        common | {"method": method, "metric": metric, "value": value, "standard_error": error, "seed": seed}
        for method, value, error in values
    ]


def test_every_row_is_in_exactly_one_cell(metrics: dict[str, Any]) -> None:
    found = blocks(metrics["results"])
    figures = sorted(cell.value for block in found for cell in block.cells.values())
    assert figures == sorted(row["value"] for row in metrics["results"])


def test_order_of_rows_decides_the_order_of_methods_only(metrics: dict[str, Any]) -> None:
    shuffled = list(metrics["results"])
    random.Random(1).shuffle(shuffled)

    def contents(of: list[dict[str, Any]]) -> dict:
        return {(block.scenario, block.title): block.cells for block in blocks(of)}

    assert contents(shuffled) == contents(metrics["results"])


def test_seeds_become_mean_and_standard_deviation() -> None:
    [block] = blocks([*rows(("joint", 0.1, 0.5)), *rows(("joint", 0.3, 0.5), seed=1)])
    cell = block.cells["joint", "ndcg@10"]
    assert cell.value == pytest.approx(0.2)
    assert cell.spread == pytest.approx(0.1414213562)  # sqrt((0.1**2 + 0.1**2) / (2 - 1))
    assert cell.seeds == (0, 1)


@pytest.mark.parametrize(
    ("own", "other", "error", "word"),
    [
        (0.30, 0.20, 0.01, "clearly above"),
        (0.20, 0.30, 0.01, "clearly below"),
        (0.21, 0.20, 0.01, "within noise of"),  # 2 * sqrt(2) * 0.01 = 0.028
        (0.30, 0.20, None, "above"),
        (0.20, 0.20, None, "equal to"),
        (0.20, 0.20, 0.01, "equal to"),
    ],
)
def test_verdict_against_the_best_other_method(own: float, other: float, error: float | None, word: str) -> None:
    [block] = blocks(rows(("joint", own, error), ("popularity", 0.01, error), ("ease", other, error)))
    found = verdict(block)
    assert found is not None
    assert (found.word, found.rival) == (word, "ease")


def test_a_loss_is_better_when_lower() -> None:
    [block] = blocks(rows(("joint", 0.8, 0.01), ("mean", 0.9, 0.01), metric="rmse"))
    assert block.best("rmse") == {"joint"}
    assert str(verdict(block)).startswith("joint model is clearly better than")
    assert not lower_is_better("ndcg@10")


def test_a_method_alone_is_neither_best_nor_judged() -> None:
    [block] = blocks(rows(("joint", 0.8, 0.01)))
    assert block.best("ndcg@10") == set()
    assert verdict(block) is None


def test_ties_are_all_best_unless_all_are_equal() -> None:
    tied = [("joint", 0.8, 0.01), ("ease", 0.8, 0.01)]
    [block] = blocks(rows(*tied, ("popularity", 0.1, 0.01)))
    assert block.best("ndcg@10") == {"joint", "ease"}
    [block] = blocks(rows(*tied))
    assert block.best("ndcg@10") == set()


def test_seed_statements() -> None:
    one, two = rows(("joint", 0.1, 0.1)), rows(("joint", 0.1, 0.1), seed=7)
    assert "One seed (7)" in seed_statement(two)
    assert "2 seeds (0, 7)" in seed_statement(one + two)
    assert "over users" in spread_statement(one)
    assert "over seeds" in spread_statement(one + two)
