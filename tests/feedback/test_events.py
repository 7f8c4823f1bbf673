"""Events say all that is wrong with them, and come back from JSON as they were."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.errors import FeedbackError
from polyscene.feedback import REACTIONS, Impression, Reaction, from_mapping, to_mapping
from tests.feedback.conftest import click, impression

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=200)
numbers = st.floats(allow_nan=False, allow_infinity=False)
times = st.floats(0, 9e10)
optional = st.none() | texts


@st.composite
def impressions(draw: st.DrawFn) -> Impression:
    items = draw(st.lists(texts, max_size=4, unique=True))
    some = {"min_size": len(items), "max_size": len(items)}
    return Impression(
        *(draw(texts), draw(times), draw(texts), draw(texts), tuple(items)),
        scores=tuple(draw(st.lists(numbers, **some))),
        model=draw(texts),
        policy=draw(texts),
        propensities=draw(st.none() | st.lists(st.floats(1e-9, 1), **some).map(tuple)),
        experiment=draw(optional),
        arm=draw(optional),
        view=draw(optional),
        context=draw(st.none() | st.lists(numbers, max_size=3).map(tuple)),
    )


reactions = st.builds(
    Reaction, texts, times, texts, texts, texts, st.sampled_from(REACTIONS), value=numbers, impression=optional
)


@settings(max_examples=60, deadline=None)
@given(impressions() | reactions)
def test_through_json_and_back(event: Impression | Reaction) -> None:
    assert from_mapping(json.loads(json.dumps(to_mapping(event), allow_nan=False))) == event


def test_numbers_of_arrays_become_plain() -> None:
    event = impression(1, scores=list(np.array([1, 2], dtype=np.float32)), context=[np.float64(3)])
    assert event == impression(1, scores=(1.0, 2.0), context=(3.0,))
    assert {type(score) for score in event.scores} == {float}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"event_id": ""}, "'event_id' has 0 characters; 1 to 200 are expected"),
        ({"event_id": "x" * 201}, "'event_id' has 201 characters"),
        ({"user": 42}, "'user' is 42; text is expected"),
        ({"user": "a\0b"}, "'user' holds a character that is none"),
        ({"model": "\ud800"}, "'model' holds a character that is none"),
        ({"arm": ""}, "'arm' has 0 characters"),
        ({"time": math.nan}, "'time' is nan; a finite number is expected"),
        ({"time": 1.7e12}, "divide milliseconds by 1000"),
        ({"time": -1}, "'time' is -1; unix seconds are expected: count from 1970"),
        ({"time": True}, "'time' is True; a finite number is expected"),
        ({"items": "79"}, "'items' is '79'; a list is expected"),
        ({"items": ("7", "7")}, "'items' holds an item twice"),
        ({"items": ("7", 9)}, "an entry of 'items' is 9; text is expected"),
        ({"scores": (1.0,)}, "'scores' has 1 entries; one for each of the 2 items"),
        ({"scores": (1.0, math.inf)}, "an entry of 'scores' is inf"),
        ({"propensities": (1.0,)}, "'propensities' has 1 entries; one for each of the 2 items"),
        ({"propensities": (1.0, 0.0)}, "'propensities' must be above 0 and at most 1"),
        ({"propensities": (1.0, 1.1)}, "'propensities' must be above 0 and at most 1"),
        ({"context": ("a",)}, "an entry of 'context' is 'a'"),
    ],
)
def test_wrong_impressions(changed: dict, said: str) -> None:
    with pytest.raises(FeedbackError) as error:
        dataclasses.replace(impression(1), **changed)
    assert said in str(error.value)
    assert "1 problem" in str(error.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kind": "impression"}, "there is no kind 'impression'"),
        ({"kind": "rating"}, "a rating needs a 'value'"),
        ({"value": math.nan}, "'value' is nan"),
        ({"item": None}, "'item' is None; text is expected"),
        ({"impression": ""}, "'impression' has 0 characters"),
    ],
)
def test_wrong_reactions(changed: dict, said: str) -> None:
    with pytest.raises(FeedbackError, match=said):
        dataclasses.replace(click(1), **changed)


def test_all_problems_at_once() -> None:
    with pytest.raises(FeedbackError, match="4 problems"):
        Reaction("", math.inf, "video", 1, "7", "clack")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ([], "an event is a mapping of keys, found"),
        ({"kind": "clik"}, "did you mean 'click'"),
        ({"kind": ["click"]}, "there is no kind"),
        ({"kind": "click", "event_id": "1", "itm": "7"}, "there is no key 'itm': did you mean 'item'"),
        ({"kind": "impression", "event_id": "1"}, "'items' is missing"),
    ],
)
def test_wrong_mappings(mapping: object, said: str) -> None:
    with pytest.raises(FeedbackError, match=said):
        from_mapping(mapping)
