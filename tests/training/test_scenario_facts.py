"""What scenarios have in common: counted by hand on tables that fit on a page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from polyscene import Id, Scenario, Tables, Text
from polyscene.data.build import build_events
from polyscene.data.domains import DomainsConfig
from polyscene.data.splits import Given, GivenConfig
from polyscene.training.loading import Loaded, LoadedScenario, _domains
from polyscene.training.scenario_facts import scenario_facts


def small(name: str, texts: list[str], rows: list[tuple[str, str]], **spaces: Any) -> LoadedScenario:
    """A scenario of items i0, i1, ... with texts, whose rows are all for training but the last."""
    phase = ["train"] * (len(rows) - 1) + ["test"]
    tables = Tables(
        items=pd.DataFrame(
            {
                "item_id": [f"i{n}" for n in range(len(texts))],
                "text": texts,
                "half": [str(n % 2) for n in range(len(texts))],
            }
        ),
        interactions=pd.DataFrame(
            {"user_id": [user for user, _ in rows], "item_id": [item for _, item in rows], "split": phase}
        ),
    )
    scenario = Scenario(name, lambda *_: tables, item_columns=(Text("text"), Id()), **spaces)
    split = Given(GivenConfig()).split(tables)
    config = scenario.config()
    return LoadedScenario(scenario, config, tables, split, build_events(tables, split, scenario))


ROWS = [("a", "i0"), ("a", "i1"), ("b", "i0"), ("c", "i1")]
FILMS = small("films", ["Red planet", "The red house", "", "  "], ROWS, user_space="people")
BOOKS = small("books", ["House of the planet planet", "x"], [("c", "i0"), ("d", "i1")], user_space="people")
SONGS = small("songs", ["la la", "la"], [("a", "i0"), ("b", "i1")])


def facts_of(*scenarios: LoadedScenario) -> dict[str, Any]:
    return scenario_facts(Loaded({one.scenario.name: one for one in scenarios}, {}, ()))


def shared(found: dict[str, Any], of: str, known_from: str) -> tuple[Any, ...]:
    [pair] = [pair for pair in found["shared"] if (pair["of"], pair["known_from"]) == (of, known_from)]
    return pair["users"], pair["items"], pair["words"]


def test_sizes_are_of_what_has_a_row() -> None:
    assert facts_of(FILMS)["facts"]["films"] == {
        "users": 3,
        "items": 2,
        "interactions": 4,
        "training_rows": 3,
        "density": 4 / 6,
        "rows_per_user": 1.0,
        "rows_per_item": 2.0,
        "text_coverage": 0.5,
        "distinct_words": 4,
    }


def test_people_are_counted_where_they_are_the_same_people() -> None:
    found = facts_of(FILMS, BOOKS, SONGS)
    assert shared(found, "films", "books")[:2] == (pytest.approx(1 / 3), None)  # c, of a, b, c
    assert shared(found, "books", "films")[:2] == (pytest.approx(1 / 2), None)  # c, of c, d
    assert shared(found, "films", "songs")[:2] == (None, None)


def test_words_are_weighed_by_how_often_they_run() -> None:
    found = facts_of(FILMS, BOOKS)
    assert shared(found, "films", "books")[2] == pytest.approx(
        3 / 5
    )  # planet, the, house of red planet the red house
    assert shared(found, "books", "films")[2] == pytest.approx(4 / 6)  # house, the, planet, planet; not of, x


def test_without_texts_words_cannot_be_compared() -> None:
    silent = small("silent", ["", ""], ROWS)
    found = facts_of(FILMS, silent)
    assert shared(found, "films", "silent")[2] is None
    assert found["facts"]["silent"]["text_coverage"] == 0.0


def test_domains_share_the_users_that_have_rows_in_both() -> None:
    config = replace(FILMS.config, domains=DomainsConfig("half"))
    parts = _domains("films", replace(FILMS, config=config), lambda _: None)
    found = scenario_facts(Loaded(parts, {}, ()))
    assert set(found["facts"]) == {"films-0", "films-1"}
    assert shared(found, "films-0", "films-1")[:2] == (0.5, 0.0)  # a, of a, b; other items
