"""Marks of the matrix and the negative-transfer report, on figures chosen by hand."""

from __future__ import annotations

from typing import Any

from polyscene.evaluation.transfer.figures import Figures
from polyscene.evaluation.transfer.matrix import matrix
from polyscene.evaluation.transfer.negative import best_for_all, negative_transfer
from polyscene.evaluation.transfer.results import Found
from polyscene.evaluation.transfer.rows import Row
from tests.evaluation.transfer.small import found

A, B = "a", "b"
ROWS = [
    Row("untrained", ()),
    Row("single-a", (A,)),
    Row("single-b", (B,)),
    Row("joint", (A, B)),
    Row("joint-adapter-none", (A, B), "adapter"),
]


def results(joint_a: float = 0.20, remedy_a: float = 0.45, remedy_valid: float = 0.9) -> list[Found]:
    """Two seeds that differ by 0.01: learning A helps B, learning B harms A, and the joint model is worse on A."""
    rows = [found("popularity", None, {A: 0.30, B: 0.10})]
    for seed in (0, 1):
        shift = 0.01 * seed
        rows += [
            found("untrained", seed, {A: 0.25 + shift, B: 0.12 + shift}),
            found("single-a", seed, {A: 0.40 + shift, B: 0.22 + shift}, {A: 0.5, B: 0.1}),
            found("single-b", seed, {A: 0.05 + shift, B: 0.50 + shift}, {A: 0.1, B: 0.5}),
            found("joint", seed, {A: joint_a + shift, B: 0.60 + shift}, {A: 0.3, B: 0.6}),
            found("joint-adapter-none", seed, {A: remedy_a + shift, B: 0.55 + shift}, {A: remedy_valid, B: 0.2}),
        ]
    return rows


def cell(row: str, scenario: str, **changes: float) -> dict[str, Any]:
    cells = matrix(Figures(results(**changes)), ["popularity"], ROWS)["cells"]
    [one] = [one for one in cells if (one["row"], one["scenario"]) == (row, scenario)]
    return one


def test_every_row_and_column() -> None:
    made = matrix(Figures(results()), ["popularity"], ROWS)
    assert [column["scenario"] for column in made["columns"]] == [A, B]
    assert [column["users"] for column in made["columns"]] == [50, 50]
    assert [(one["row"], one["scenario"]) for one in made["cells"]] == [
        (row, scenario)
        for row in ("popularity", "untrained", "single-a", "single-b", "joint")
        for scenario in (A, B)
    ]


def test_means_and_spreads() -> None:
    one = cell("single-a", A)
    assert (round(one["mean"], 6), round(one["spread"], 6), one["seeds"]) == (0.405, 0.007071, 2)
    count = cell("popularity", A)
    assert (count["mean"], count["spread"], count["seeds"]) == (0.30, 0.01, 0)


def test_a_gain_is_above_both_the_count_and_the_untrained_model() -> None:
    one = cell("single-a", B)
    assert one["mark"] == "gain"
    assert set(one["against"]) == {"untrained", "popularity"}
    assert cell("single-b", A)["mark"] == "loss"


def test_above_the_untrained_model_alone_is_no_gain() -> None:
    rows = results()
    rows[0] = found("popularity", None, {A: 0.30, B: 0.40})
    cells = matrix(Figures(rows), ["popularity"], ROWS)["cells"]
    [one] = [one for one in cells if (one["row"], one["scenario"]) == ("single-a", B)]
    assert one["mark"] == ""


def test_the_joint_model_is_compared_with_the_single_one() -> None:
    assert cell("joint", A)["mark"] == "loss"
    assert cell("joint", B)["mark"] == "gain"
    assert set(cell("joint", B)["against"]) == {"single-b"}
    assert cell("single-a", A)["against"] == {}


def test_another_population_has_its_own_figures() -> None:
    cold = matrix(Figures(results(), "cold"), ["popularity"], ROWS)
    assert {column["population"] for column in cold["columns"]} == {"cold"}
    assert cold["cells"][0]["mean"] == 0.15


def entry(**changes: float) -> dict[str, Any]:
    [one] = [one for one in negative_transfer(Figures(results(**changes)), ROWS) if one["scenario"] == A]
    return one


def test_negative_transfer_is_mended_by_what_validation_chooses() -> None:
    one = entry()
    assert round(one["difference"]["mean"], 6) == -0.2
    assert one["difference"]["verdict"] == "clearly worse"
    assert (one["chosen"], one["outcome"]) == ("joint-adapter-none", "mended")


def test_the_choice_never_looks_at_the_test() -> None:
    assert (entry(remedy_valid=0.2)["chosen"], entry(remedy_valid=0.2)["outcome"]) == ("joint", "nothing better")
    assert (entry(remedy_a=0.1)["chosen"], entry(remedy_a=0.1)["outcome"]) == ("joint-adapter-none", "not mended")


def test_without_harm_there_is_nothing_to_mend() -> None:
    assert entry(joint_a=0.5)["outcome"] == "no harm"


def test_a_row_that_lacks_a_seed_is_not_chosen() -> None:
    rows = [one for one in results() if (one.label, one.seed) != ("joint-adapter-none", 1)]
    one = negative_transfer(Figures(rows), ROWS)[0]
    assert one["chosen"] == "joint"
    assert [tried["validation"] for tried in one["tried"]] == [0.3, None]


def test_the_best_for_all_is_the_best_on_average() -> None:
    assert best_for_all(Figures(results()), ROWS)["chosen"] == "joint-adapter-none"
    assert best_for_all(Figures(results(remedy_valid=0.6)), ROWS)["chosen"] == "joint"


def test_lower_is_better_turns_around() -> None:
    rows = [found(one.label, one.seed, {A: one.results[0]["value"]}, metric="rmse") for one in results()]
    made = matrix(Figures(rows), ["popularity"], ROWS)["cells"]
    marks = {one["row"]: one["mark"] for one in made}
    assert (marks["joint"], marks["single-b"]) == ("gain", "gain")
