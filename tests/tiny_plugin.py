"""A plugin with five small generated scenarios without texts, so that a whole training takes seconds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from polyscene import (
    Category,
    Id,
    Number,
    Scenario,
    ScenarioConfig,
    Tables,
    TaskSpec,
    Timestamp,
    generate,
    hookimpl,
)

POLYSCENE_API = "1.0"
PERSON = "tiny_person"


@dataclass
class ShopConfig(ScenarioConfig):
    """Ordered purchases with ratings; some items and users are kept cold."""

    split: dict[str, Any] = field(
        default_factory=lambda: {"name": "leave_one_out", "cold_items": 0.1, "cold_users": 0.15}
    )
    max_history: int = 8


@dataclass
class PeopleConfig(ScenarioConfig):
    """Friends, without times."""

    split: dict[str, Any] = field(default_factory=lambda: {"name": "edges", "validation": 0.15, "test": 0.15})
    max_history: int = 6


@dataclass
class UnorderedConfig(ScenarioConfig):
    """What people like, without times."""

    split: dict[str, Any] = field(
        default_factory=lambda: {"name": "random_per_user", "validation": 0.15, "test": 0.15, "cold_items": 0.1}
    )
    max_history: int = 5


@dataclass
class GivenConfig(ScenarioConfig):
    """Rows that carry their phase in a column."""

    split: dict[str, Any] = field(default_factory=lambda: {"name": "given"})


@dataclass
class AdsConfig(ScenarioConfig):
    """Shown items, clicked or not."""

    max_history: int = 8


def load_shop(config: ShopConfig, data: Any) -> Tables:
    tables = generate(users=80, items=100, interactions=1200, seed=1, clusters=4, affinity=0.9)
    return replace(tables, links=None, facts=None)


def load_people(config: PeopleConfig, data: Any) -> Tables:
    """Links inside communities of ten of the shop's people, each pair in both directions."""
    users = generate(users=80, items=40, interactions=10, seed=1, clusters=4).users
    assert users is not None
    community_U = np.arange(len(users)) // 10
    rng = np.random.default_rng(5)
    pairs = [
        (a, b)
        for a in range(len(users))
        for b in range(a + 1, len(users))
        if rng.random() < (0.7 if community_U[a] == community_U[b] else 0.005)
    ]
    both = np.array(pairs + [(b, a) for a, b in pairs])
    ids = users["user_id"].to_numpy()
    return Tables(
        items=pd.DataFrame({"item_id": ids, "age": users["age"]}),
        users=users,
        interactions=pd.DataFrame({"user_id": ids[both[:, 0]], "item_id": ids[both[:, 1]]}),
        sources=("GENERATED friends",),
    )


def load_likes(config: UnorderedConfig, data: Any) -> Tables:
    tables = generate(users=80, items=100, interactions=1200, seed=1, clusters=4, affinity=0.9)
    interactions = tables.interactions.drop(columns=["timestamp"])
    return replace(tables, interactions=interactions, links=None, facts=None)


def load_facts(config: GivenConfig, data: Any) -> Tables:
    """Entities in clusters of eight; every fact is two rows, the second one of the inverse relation."""
    rng = np.random.default_rng(3)
    n_entities, size = 48, 8
    facts = [
        (a, b, relation)
        for a in range(n_entities)
        for b in range(n_entities)
        for relation in ("near", "like")
        if a != b and a // size == b // size and rng.random() < 0.6
    ]
    phase = rng.choice(["train", "valid", "test"], p=[0.8, 0.1, 0.1], size=len(facts))
    ids = np.array([f"e{number:02}" for number in range(n_entities)])
    head, tail = (ids[[fact[side] for fact in facts]] for side in (0, 1))
    relation = np.array([fact[2] for fact in facts])
    inverse = np.char.add("~", relation)
    return Tables(
        items=pd.DataFrame({"item_id": ids}),
        users=pd.DataFrame({"user_id": ids}),
        interactions=pd.DataFrame(
            {
                "user_id": np.stack([head, tail], axis=1).ravel(),
                "item_id": np.stack([tail, head], axis=1).ravel(),
                "relation": np.stack([relation, inverse], axis=1).ravel(),
                "split": phase.repeat(2),
            }
        ),
        sources=("GENERATED facts",),
    )


def load_ads(config: AdsConfig, data: Any) -> Tables:
    """Items shown at random; people click what belongs to their cluster, mostly."""
    rng = np.random.default_rng(7)
    n_users, n_items, shown = 60, 24, 20
    user = np.repeat(np.arange(n_users), shown)
    item = rng.integers(n_items, size=len(user))
    click = rng.random(len(user)) < np.where(user % 3 == item % 3, 0.9, 0.1)
    return Tables(
        items=pd.DataFrame({"item_id": [f"a{n:02}" for n in range(n_items)]}),
        interactions=pd.DataFrame(
            {
                "user_id": [f"v{n:02}" for n in user],
                "item_id": [f"a{n:02}" for n in item],
                "clicked": click.astype(np.float32),
                "timestamp": 1_600_000_000 + 60 * np.arange(len(user)),
            }
        ),
        value="clicked",
        sources=("GENERATED clicks",),
    )


SCENARIOS = [
    Scenario(
        "shop",
        load_shop,
        item_columns=(Category("group"), Number("price"), Id()),
        user_columns=(Number("age"), Id()),
        event_columns=(Number("rating"), Timestamp()),
        tasks=(TaskSpec("ranking"), TaskSpec("rating", weight=0.5)),
        user_space=PERSON,
        config=ShopConfig,
    ),
    Scenario(
        "people",
        load_people,
        item_columns=(Number("age"), Id()),
        user_columns=(Id(),),
        tasks=(TaskSpec("link", options={"negatives": 64}),),
        user_space=PERSON,
        item_space=PERSON,
        config=PeopleConfig,
    ),
    Scenario(
        "likes",
        load_likes,
        item_columns=(Category("group"), Id()),
        tasks=(TaskSpec("ranking"),),
        config=UnorderedConfig,
    ),
    Scenario(
        "facts",
        load_facts,
        item_columns=(Id(),),
        event_columns=(Category("relation"),),
        tasks=(TaskSpec("triple"),),
        item_space="tiny_entity",
        config=GivenConfig,
    ),
    Scenario(
        "ads",
        load_ads,
        item_columns=(Id(),),
        event_columns=(Number("clicked"),),
        tasks=(TaskSpec("click"),),
        config=AdsConfig,
    ),
]


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return SCENARIOS
