"""Tables against what a scenario declares."""

from __future__ import annotations

import pytest

from polyscene.data.columns import Category, Id, Number, Text
from polyscene.data.declared import validate_scenario
from polyscene.data.scenario import Scenario
from polyscene.data.tables import Tables
from polyscene.errors import DataError


def scenario(*columns, **more) -> Scenario:
    return Scenario("films", load=lambda config, data: None, item_columns=columns, **more)


def test_sound_tables_pass(frames):
    validate_scenario(scenario(Text(), Id(), event_columns=(Number("rating"),)), Tables(**frames()))


def test_empty_text_everywhere(frames):
    given = frames()
    given["items"]["text"] = ["", " ", None]
    with pytest.raises(DataError, match=r"items\.text is declared as Text but every one of its 3 texts is empty"):
        validate_scenario(scenario(Text()), Tables(**given))


def test_all_mismatches_at_once(frames):
    declared = scenario(Text("txet"), Number("text"), user_columns=(Category("age"),))
    with pytest.raises(DataError) as caught:
        validate_scenario(declared, Tables(**frames()))
    assert "scenario 'films': 3 problems" in str(caught.value)
    assert "items.txet is declared but missing: did you mean 'text'?" in str(caught.value)
    assert "users.age is declared but missing" in str(caught.value)
    assert "items.text is declared as Number but holds" in str(caught.value)
