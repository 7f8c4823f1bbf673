"""A plugin with two small generated scenarios with texts, whose run is served in these tests."""

from __future__ import annotations

from typing import Any

from polyscene import Category, Id, Number, Scenario, Tables, Text, Timestamp, generate, hookimpl

POLYSCENE_API = "1.0"


def load_books(config: Any, data: Any) -> Tables:
    return generate(users=40, items=30, interactions=500, seed=1, clusters=3)


def load_songs(config: Any, data: Any) -> Tables:
    return generate(users=30, items=50, interactions=500, seed=2, clusters=4)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    columns = (Text(), Category("group"), Number("price"), Id())
    events = (Number("rating"), Timestamp())
    return [
        Scenario(
            name, load, item_columns=columns, user_columns=(Id(),), event_columns=events, title=f"Next of {name}"
        )
        for name, load in (("books", load_books), ("songs", load_songs))
    ]
