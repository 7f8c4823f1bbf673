"""What tasks on facts know of their relations and of the facts that are true."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from polyscene.data.build import event_labels
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.tables import Tables
from polyscene.errors import DataError
from polyscene.graph.directions import is_inverse, plain
from polyscene.graph.words import relation_words

RELATION = "relation"
"""The event column with the code of each fact's relation."""


class KnownFacts(nn.Module):
    """The training facts, to tell a corrupted fact from a true one.

    Facts of other phases are not in it: that an entity is no negative would give them away.

    Args:
        events: the facts as rows; those of ``Phase.TRAIN`` count.
    """

    key_M: Tensor

    def __init__(self, events: Events) -> None:
        super().__init__()
        self.n_items, self.n_relations = events.n_items, count_relations(events)
        user, row = (torch.from_numpy(array) for array in events.rows([Phase.TRAIN]))
        relation = events.columns[RELATION].cpu()[row].long()
        key_M = self._keys(user, relation, events.item_R.cpu()[row].long()).unique()
        self.register_buffer("key_M", key_M, persistent=False)

    def forward(self, user: Tensor, relation: Tensor, item: Tensor) -> Tensor:
        """bool: is (user, relation, item) a training fact? int64 tensors that broadcast."""
        key = self._keys(user, relation, item)
        place = torch.searchsorted(self.key_M, key).clamp(max=max(len(self.key_M) - 1, 0))
        return self.key_M[place] == key if len(self.key_M) else torch.zeros_like(key, dtype=torch.bool)

    def _keys(self, user: Tensor, relation: Tensor, item: Tensor) -> Tensor:
        return (user * self.n_relations + relation) * self.n_items + item


def count_relations(events: Events) -> int:
    """Number of relations, inverse ones included."""
    relation_R = events.columns[RELATION]
    return int(relation_R.max()) + 1 if len(relation_R) else 1


def check_relations_seen(events: Events, tables: Tables | None, where: str) -> None:
    """Refuse relations that no training fact has: their vectors would stay noise.

    Where a few facts are labelled on purpose, most relations are in none of them, and the figures tell what that
    costs.

    Raises:
        DataError: there are such relations; with their names and numbers of facts.
    """
    if events.labelled_R is not None:
        return
    row = events.rows([Phase.TRAIN])[1]
    count_L = np.bincount(events.columns[RELATION].cpu().numpy(), minlength=count_relations(events))
    seen_L = np.bincount(events.columns[RELATION].cpu().numpy()[row], minlength=len(count_L)) > 0
    unseen = np.flatnonzero((count_L > 0) & ~seen_L)
    if not len(unseen):
        return
    labels = (
        [f"relation {code}" for code in range(len(count_L))] if tables is None else event_labels(tables, RELATION)
    )
    names = {plain(str(labels[code])): int(count_L[code]) for code in unseen}
    shown = ", ".join(f"'{name}' ({count} facts)" for name, count in list(names.items())[:5])
    raise DataError(
        f"{len(names)} relations occur outside training only: {shown}",
        where=where,
        fix="move some of their facts to training or leave them out, or use task bi_encoder or kg_bert, which "
        "read the names of relations",
    )


def relation_texts(tables: Tables) -> tuple[list[str], np.ndarray]:
    """What the relations are called (without inverse ones), and which of these each code of the events is.

    A graph may bring names as ``tables.extra["relations"]`` (``relation``, ``text``); else ids are read as words.
    """
    labels = [str(label) for label in event_labels(tables, RELATION)]
    words = _given_words(tables)
    names = list(dict.fromkeys(plain(label) for label in labels))
    position = {name: index for index, name in enumerate(names)}
    codes = np.array([position[plain(label)] for label in labels], dtype=np.int64)
    return [relation_words(name, words) for name in names], codes


def relation_names(tables: Tables) -> list[str]:
    """What people call the relation of each code of the events, inverse ones included."""
    words = _given_words(tables)
    return [relation_words(str(label), words) for label in event_labels(tables, RELATION)]


def inverse_codes(tables: Tables) -> np.ndarray:
    """bool per code of the events: is it the inverse of a relation?"""
    return np.array([is_inverse(str(label)) for label in event_labels(tables, RELATION)], dtype=bool)


def entity_texts(tables: Tables, where: str) -> list[str]:
    """What the entities are called, in the order of the items.

    Raises:
        DataError: an entity has no text; with their number and the first of them.
    """
    if "text" not in tables.items:
        raise DataError("the entities have no text at all", where=where, fix=_NO_TEXT)
    text = tables.items["text"].fillna("").astype(str).str.strip()
    missing = (text == "").to_numpy()
    if missing.any():
        first = ", ".join(f"'{entity}'" for entity in tables.items.loc[missing, "item_id"].iloc[:3])
        raise DataError(
            f"{int(missing.sum()):,} of {len(text):,} entities have no text, such as {first}",
            where=where,
            fix=_NO_TEXT,
        )
    return text.tolist()


_NO_TEXT = (
    "this task reads names: bring them (entity2text.txt beside the facts), or use task triple, which needs none"
)


def _given_words(tables: Tables) -> dict[str, str]:
    given = tables.extra.get("relations")
    if given is None:
        return {}
    texts = given["text"].fillna("").astype(str)
    return {relation: text for relation, text in zip(given["relation"], texts, strict=True) if text.strip()}
