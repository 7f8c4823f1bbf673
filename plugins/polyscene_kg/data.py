"""Freebase facts about films as tables: entities are items, facts are what is to be completed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from polyscene import DataAccess, Phase, Split, Tables, read_atomic, read_parquet
from polyscene_kg import KgConfig
from polyscene_kg.relations import entity_types

FACTS_FILE = "ml-100k.kg"
# What marks the inverse of a relation; it sorts behind every letter, so inverse codes follow the plain ones.
INVERSE = "~"
# Which film of a MovieLens data set an entity is. The link file beside the facts in their wheel is of no use: its
# ids are those of another MovieLens release, so that every entity would sit on a wrong film.
LINKS = {name: Path(__file__).parent / "links" / f"{name}.parquet" for name in ("movielens_1m", "movielens_100k")}


def load(config: KgConfig, data: DataAccess) -> Tables:
    """Entities with title and type, the facts, and which film an entity is (one column per MovieLens release)."""
    facts = read_atomic(
        data.path(config.dataset) / FACTS_FILE,
        rename={"head_id": "head", "relation_id": "relation", "tail_id": "tail"},
        ids=("head_id", "relation_id", "tail_id"),
    ).astype("str")
    distinct = facts.drop_duplicates(ignore_index=True)
    types = entity_types(distinct)
    titles = read_links("movielens_1m").set_index("entity")["item_id"]
    title = types.index.to_series().map(titles.to_dict())
    links = {name: _linked(name, types.index, config) for name in LINKS}
    entities = pd.DataFrame(
        {
            "item_id": types.index,
            # Freebase ids have no names here, so all that can be said of most entities is their type.
            "title": title.fillna("a " + types).to_numpy(),
            "text": title.where(title.isna(), title + ". ").fillna("a ").to_numpy() + types.to_numpy(),
            "type": types.to_numpy(),
            **links,
        }
    )
    return Tables(
        items=entities,
        interactions=both_directions(distinct),
        users=pd.DataFrame({"user_id": types.index}),
        facts=distinct,
        dropped={"repeated facts": len(facts) - len(distinct)} if len(facts) > len(distinct) else {},
        sources=(data.origin(config.dataset),),
    )


def both_directions(facts: pd.DataFrame) -> pd.DataFrame:
    """Two rows for each fact: (head, relation, tail) and, with ``~`` before the relation, (tail, relation, head).

    So asking for a head is asking for the tail of the inverse relation. Rows 2i and 2i + 1 are fact i.
    """
    forward = facts.set_axis(["user_id", "relation", "item_id"], axis="columns")
    backward = pd.DataFrame(
        {"user_id": facts["tail"], "relation": INVERSE + facts["relation"], "item_id": facts["head"]}
    )
    rows = pd.concat([forward, backward]).sort_index(kind="stable", ignore_index=True)
    return rows.astype({"relation": "category"})


def train_facts(tables: Tables, split: Split) -> pd.DataFrame:
    """The facts of the training phase."""
    assert tables.facts is not None
    return tables.facts.loc[split.phase_R[::2] == Phase.TRAIN]


def read_links(name: str) -> pd.DataFrame:
    """``item_id`` (the film's id in MovieLens data set ``name``) and ``entity``, one row per linked film."""
    return read_parquet(LINKS[name], ["item_id", "entity"]).astype("str")


def _linked(name: str, entities: pd.Index, config: KgConfig) -> np.ndarray:
    links = read_links(name)
    film = links["item_id"].to_numpy(dtype=object)
    if config.shuffle_links:
        film = np.random.default_rng(config.link_seed).permutation(film)
    return entities.to_series().map(dict(zip(links["entity"], film, strict=True))).to_numpy(dtype=object)
