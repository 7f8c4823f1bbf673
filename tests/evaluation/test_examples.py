"""Examples: the same requests for every method, with their real past and targets, in titles."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from polyscene.data.scenario import View
from polyscene.data.tables import Tables
from polyscene.evaluation.evaluator import evaluate_method
from polyscene.evaluation.examples import LONGEST, SHOWN, Examples
from polyscene.evaluation.requests import Requests
from polyscene.evaluation.subject import Subject
from polyscene.report.schema import schema_of
from tests.evaluation.test_evaluator import RISING, scoring, subject  # noqa: F401  (subject is a fixture)
from tests.tiny import FACTS, tiny_model, tiny_session

FALLING = scoring([[4.0, 3.0, 2.0, 1.0, 0.0]] * 3)


def tables(titles: list[str]) -> Tables:
    items = pd.DataFrame({"item_id": list("abcde"), "title": titles})
    rows = pd.DataFrame({"user_id": ["u", "v", "w"], "item_id": ["a", "b", "c"]})
    return Tables(items=items, interactions=rows)


@pytest.fixture
def shown(subject: Subject) -> list[dict]:  # noqa: F811
    examples = Examples({"toy": tables(["Alien", "Brazil", "Cube", "Dune", "eXistenZ"])})
    evaluate_method(subject, "rising", lambda _: RISING, seed=0, keep=examples.add)
    evaluate_method(subject, "falling", lambda _: FALLING, seed=0, keep=examples.add)
    return examples.rows()


def test_past_and_targets_are_those_of_the_events(shown: list[dict]) -> None:
    warm = [example for example in shown if example["population"] == "warm"]
    assert [example["asked"] for example in warm] == ["user u", "user v"]
    assert [example["past"] for example in warm] == [["Cube", "Brazil", "Alien"], ["Alien", "Brazil"]], (
        "latest first"
    )
    assert [example["next"] for example in warm] == [["Dune"], ["Cube"]], "user v had Brazil before"
    assert [(example["past_count"], example["next_count"]) for example in warm] == [(3, 1), (2, 1)]


def test_every_method_answers_the_same_request(shown: list[dict]) -> None:
    first = shown[0]["methods"]
    assert [one["method"] for one in first] == ["rising", "falling"]
    assert [item["title"] for item in first[0]["items"]] == ["eXistenZ", "Dune"], "what was seen is left out"
    assert [[item["hit"] for item in one["items"]] for one in first] == [[False, True], [True, False]]
    assert [one["rank"] for one in first] == [2, 1]


def test_cold_items_have_examples_of_their_own_and_no_others(shown: list[dict]) -> None:
    assert [example["population"] for example in shown] == ["warm", "warm", "cold"]
    assert shown[-1]["next"] == ["eXistenZ"]


def test_names_are_short_and_told_apart(subject: Subject) -> None:  # noqa: F811
    examples = Examples({"toy": tables(["same", "same", "x " * 100, "", "e"])})
    evaluate_method(subject, "rising", lambda _: RISING, seed=0, keep=examples.add)
    first = examples.rows()[0]
    assert first["past"][1:] == ["same (b)", "same (a)"]
    assert len(first["past"][0]) <= LONGEST
    assert first["next"] == ["d"], "an id stands for a title that is missing"


def test_a_fact_is_asked_for_in_words_and_its_answer_is_no_part_of_the_question() -> None:
    _, data, config = tiny_model([FACTS])
    session = tiny_session(config)
    loaded = data.scenarios[FACTS]
    examples = Examples({FACTS: loaded.tables})

    def equal(requests: Requests, view: View) -> torch.Tensor:
        return torch.zeros(len(requests.user_B), loaded.events.n_items)

    evaluate_method(session.subject(FACTS, loaded), "none", lambda _: equal, seed=0, keep=examples.add)
    assert len(examples.rows()) == SHOWN
    for example in examples.rows():
        assert (example["kind"], example["past"]) == ("fact", [])
        entity, _, relation = example["asked"].rpartition(": ")
        assert entity
        assert relation.partition(",")[0] in {"near", "like"}
        assert example["next_count"] == 1


def test_the_schema_describes_all_that_is_kept(shown: list[dict]) -> None:
    described = schema_of("metrics.json")["properties"]["examples"]["items"]
    assert set(described["required"]) == set(described["properties"]) == set(shown[0])
