"""Any graph as tables: files of facts, with or without phases of their own and names for their entities."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from polyscene import DataAccess, DataError, Tables, both_directions, read_csv, read_facts
from polyscene_kg import KgConfig
from polyscene_kg.relations import OTHER

PHASES = {"train": ("train",), "valid": ("valid", "validation", "dev"), "test": ("test",)}
_SUFFIXES = ("kg", "tsv", "txt", "csv", "parquet")
# As the data sets of KG-BERT and its successors name them.
ENTITY_TEXTS, RELATION_TEXTS = "entity2text.txt", "relation2text.txt"


def load_plain(config: KgConfig, data: DataAccess) -> Tables:
    """Entities as items, both directions of each fact as interactions, in the phase that its file says.

    A folder holds ``train``, ``valid`` and ``test``, or one file of facts (``facts``, ``kg`` or ``*.kg``). A fact
    that an earlier phase states already is left out of the later one: it would be no test.
    """
    folder = data.path(config.dataset)
    facts = _facts(folder)
    distinct = facts.drop_duplicates(["head", "relation", "tail"], ignore_index=True)
    entities = pd.Index(sorted({*distinct["head"], *distinct["tail"]}))
    relations = pd.Index(sorted(set(distinct["relation"])))
    text = _texts(folder / ENTITY_TEXTS, entities, readable=config.readable_ids)
    items = pd.DataFrame({"item_id": entities, "title": text.fillna(pd.Series(entities)), "text": text})
    said = {"relation": relations, "text": _texts(folder / RELATION_TEXTS, relations, readable=True)}
    repeated = len(facts) - len(distinct)
    return Tables(
        items=items.assign(type=OTHER),
        interactions=both_directions(distinct),
        users=pd.DataFrame({"user_id": entities}),
        facts=distinct.drop(columns="split", errors="ignore"),
        extra={"relations": pd.DataFrame(said)},
        dropped={"facts stated before, in the same or an earlier phase": repeated} if repeated else {},
        sources=(data.origin(config.dataset),),
    )


def _facts(folder: Path) -> pd.DataFrame:
    """All facts of a folder, those of training first; with phases, in the column ``split``."""
    found = {phase: _one(folder, names) for phase, names in PHASES.items()}
    if found["train"] and found["test"]:
        parts = {phase: path for phase, path in found.items() if path}
        return pd.concat(
            [read_facts(path).assign(split=phase) for phase, path in parts.items()], ignore_index=True
        )
    single = _one(folder, ("facts", "kg")) or next(iter(sorted(folder.glob("*.kg"))), None)
    if single is None:
        raise DataError(
            f"holds no facts: {', '.join(sorted(path.name for path in folder.iterdir())) or 'it is empty'}",
            where=str(folder),
            fix="give train.txt, valid.txt and test.txt (head, relation, tail; tab separated), or one facts.tsv",
        )
    return read_facts(single)


def _one(folder: Path, names: tuple[str, ...]) -> Path | None:
    paths = (folder / f"{name}.{suffix}" for name in names for suffix in _SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def _texts(path: Path, ids: pd.Index, *, readable: bool) -> pd.Series:
    """What the ids are called: by the file if there is one, else as they read, else nothing (missing)."""
    if path.is_file():
        named = read_csv(path, delimiter="\t", quote=None, names=("id", "text"), ids=("id", "text")).astype("str")
        text = dict(zip(named["id"], named["text"], strict=True))
        return ids.to_series(index=range(len(ids))).map(text)
    words = ids.to_series(index=range(len(ids))).astype("str").str.replace("_", " ").str.strip()
    return words if readable else words.where(words == "")
