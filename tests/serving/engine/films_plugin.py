"""A plugin with one small generated scenario of all that can be asked for: texts, tags, views, priors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from polyscene import (
    Category,
    Id,
    Number,
    PriorSpec,
    Scenario,
    ScenarioConfig,
    Tables,
    Tags,
    Text,
    Timestamp,
    View,
    generate,
    hookimpl,
)

POLYSCENE_API = "1.0"
FILMS = "films"


@dataclass
class FilmsConfig(ScenarioConfig):
    """Short histories."""

    max_history: int = 6


def load(config: Any, data: Any) -> Tables:
    """40 people and 30 films with texts, tags and one missing price."""
    tables = generate(users=40, items=30, interactions=400, seed=1, clusters=3)
    number = np.arange(len(tables.items))
    tags = np.where(number % 2 == 0, "even|small", np.where(number % 3 == 0, "odd|third", "odd"))
    price = tables.items["price"].astype(float).mask(number == 4)
    items = tables.items.assign(tags=tags, price=price, shelf=number % 4)
    return replace(tables, items=items, links=None, facts=None)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return [
        Scenario(
            FILMS,
            load,
            item_columns=(Text(), Category("group"), Tags("tags"), Number("price"), Id()),
            user_columns=(Number("age"), Id()),
            event_columns=(Number("rating"), Timestamp()),
            views=(View("new"), View("all", mask_history=False)),
            priors=(
                PriorSpec("linear", {"l2": 20.0}),
                PriorSpec("co_occurrence"),
                PriorSpec("personal_frequency"),
                PriorSpec("content"),
            ),
            config=FilmsConfig,
            title="Generated films",
        )
    ]
