"""A plugin with three small generated scenarios without texts, for what is tested on a whole model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from polyscene import Category, Id, Number, Scenario, ScenarioConfig, Tables, generate, hookimpl

POLYSCENE_API = "1.0"
NAMES = ("first_shop", "second_shop", "third_shop")


@dataclass
class ShopConfig(ScenarioConfig):
    """Short histories."""

    max_history: int = 6


def load(config: Any, data: Any) -> Tables:
    """40 people and 30 items, without links and facts."""
    return replace(generate(users=40, items=30, interactions=400, seed=1, clusters=3), links=None, facts=None)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    columns = (Category("group"), Number("price"), Id())
    return [
        Scenario(name, load, item_columns=columns, config=ShopConfig, title="Generated purchases")
        for name in NAMES
    ]
