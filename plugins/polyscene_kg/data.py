"""Facts as tables: entities are items, facts are what is to be completed. Freebase's, about films, are linked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from polyscene import DataAccess, Phase, Split, Tables, both_directions, read_facts, read_parquet
from polyscene_kg import KgConfig
from polyscene_kg.plain import load_plain
from polyscene_kg.relations import WORDS, entity_types

FACTS_FILE = "ml-100k.kg"
# Which film of a MovieLens data set an entity is. The link file beside the facts in their wheel is of no use: its
# ids are those of another MovieLens release, so that every entity would sit on a wrong film.
LINKS = {name: Path(__file__).parent / "links" / f"{name}.parquet" for name in ("movielens_1m", "movielens_100k")}


def load(config: KgConfig, data: DataAccess) -> Tables:
    """Entities with title and type, the facts, and for facts about films which film an entity is.

    Film facts (one column of links per MovieLens release) are told by their file, ``ml-100k.kg``; everything else
    is read by :func:`polyscene_kg.plain.load_plain`.
    """
    path = data.path(config.dataset) / FACTS_FILE
    return _films(config, data, read_facts(path)) if path.is_file() else load_plain(config, data)


def _films(config: KgConfig, data: DataAccess, facts: pd.DataFrame) -> Tables:
    distinct = facts.drop_duplicates(ignore_index=True)
    types = entity_types(distinct)
    titles = read_links("movielens_1m").set_index("entity")["item_id"]
    title = types.index.to_series().map(titles.to_dict())
    links = {name: _linked(name, types.index) for name in LINKS}
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
        extra={"relations": pd.DataFrame({"relation": list(WORDS), "text": list(WORDS.values())})},
        dropped={"repeated facts": len(facts) - len(distinct)} if len(facts) > len(distinct) else {},
        sources=(data.origin(config.dataset),),
    )


def train_facts(tables: Tables, split: Split) -> pd.DataFrame:
    """The facts of the training phase."""
    assert tables.facts is not None
    return tables.facts.loc[split.phase_R[::2] == Phase.TRAIN]


def read_links(name: str) -> pd.DataFrame:
    """``item_id`` (the film's id in MovieLens data set ``name``) and ``entity``, one row per linked film."""
    return read_parquet(LINKS[name], ["item_id", "entity"]).astype("str")


def _linked(name: str, entities: pd.Index) -> np.ndarray:
    links = read_links(name)
    film = links["item_id"].to_numpy(dtype=object)
    return entities.to_series().map(dict(zip(links["entity"], film, strict=True))).to_numpy(dtype=object)
