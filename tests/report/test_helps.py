"""Who helps whom: the picture and its sentences say what the matrix says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from polyscene.evaluation.transfer.figures import Figures
from polyscene.evaluation.transfer.matrix import matrix
from polyscene.evaluation.transfer.negative import negative_transfer
from polyscene.report.helps import JOINTLY, helps_map, helps_sentences
from tests.evaluation.transfer.test_matrix import ROWS, results
from tests.report.drawn import specs
from tests.report.test_transfer_page import described

TITLE = "Which scenarios help each other"


@pytest.fixture
def found() -> dict[str, Any]:
    figures = Figures(results())
    return {
        "rows": [
            {"label": "popularity", "kind": "control", "trained": []},
            *(described(row.label, list(row.trained)) for row in ROWS),
        ],
        "matrix": matrix(figures, ["popularity"], ROWS),
        "negative_transfer": negative_transfer(figures, ROWS),
        "cosines": [{"row": "joint", "scenarios": ["a", "b"], "mean": -0.25, "spread": None, "seeds": 1}],
        "data": {
            "facts": {},
            "shared": [
                {"of": "b", "known_from": "a", "users": None, "items": None, "words": 0.4},
                {"of": "a", "known_from": "b", "users": None, "items": None, "words": None},
            ],
        },
    }


def cells_of(found: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    rows = specs(str(helps_map(found)))[TITLE]["data"]["values"]
    return {(row["row"], row["column"].partition("\n")[0]): row for row in rows}


def test_a_pair_is_told_above_the_better_reference(found: dict[str, Any]) -> None:
    cells = cells_of(found)
    assert set(cells) == {("a", "b"), ("b", "a"), (JOINTLY, "a"), (JOINTLY, "b")}
    means = {(cell["row"], cell["scenario"]): cell["mean"] for cell in found["matrix"]["cells"]}
    better = max(means["popularity", "b"], means["untrained", "b"])
    assert cells["a", "b"]["text"] == f"+{means['single-a', 'b'] - better:.4f} +"
    assert cells["a", "b"]["gain"]
    assert not cells["b", "a"]["gain"]
    assert cells[JOINTLY, "a"]["text"].startswith(
        f"\N{MINUS SIGN}{means['single-a', 'a'] - means['joint', 'a']:.4f}"
    )


def test_below_stand_gradients_and_words(found: dict[str, Any]) -> None:
    cells = cells_of(found)
    assert cells["a", "b"]["small"] == "-0.25, 40%"
    assert cells["b", "a"]["small"] == "-0.25"
    assert cells[JOINTLY, "a"]["small"] == ""


def test_the_sentences(found: dict[str, Any]) -> None:
    a, b = helps_sentences(found)
    assert a == "a is clearly hurt by b; trained jointly it is clearly worse than alone."
    assert re.match(r"b is clearly helped by a; trained jointly it is clearly better than alone\.", b)


def test_where_nothing_is_finished_nothing_is_drawn(found: dict[str, Any]) -> None:
    found["matrix"]["cells"] = []
    assert helps_map(found) == ""
    assert list(helps_sentences(found)) == []
