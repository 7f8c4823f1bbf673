"""Which texts a backbone may be trained on, and which of them are held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from polyscene.data.columns import Text
from polyscene.data.phases import Phase
from polyscene.errors import DataError
from polyscene.training.loading import LoadedScenario, columns_of

FEWEST = 20
"""Texts without which nothing can be learned and measured."""


@dataclass(frozen=True)
class Texts:
    """Distinct texts.

    Args:
        learned: texts that are trained on.
        held: texts that are kept out.
        counts: by scenario, how many distinct texts it brought.
    """

    learned: list[str]
    held: list[str]
    counts: Mapping[str, int]


def training_texts(scenarios: Mapping[str, LoadedScenario], held_out: float, seed: int) -> Texts:
    """Texts of items and users that occur in training rows: what is new in the test stays unread.

    Args:
        scenarios: the scenarios, loaded.
        held_out: share of texts that are kept out.
        seed: of the choice.

    Raises:
        DataError: there are no texts, or too few.
    """
    found: dict[str, None] = {}
    counts = {}
    for name, one in scenarios.items():
        own = dict.fromkeys(text for column in _columns(one) for text in column if text)
        counts[name] = len(own)
        found |= own
    if len(found) < FEWEST:
        raise DataError(
            f"they have {len(found)} different texts in training rows, and {FEWEST} are the least to learn from",
            where=f"scenarios {', '.join(scenarios)}",
            fix="choose scenarios with a text column (`polyscene data describe NAME` shows it)",
        )
    texts = sorted(found)
    order = np.random.default_rng([seed, len(texts)]).permutation(len(texts))
    held = max(1, round(held_out * len(texts)))
    return Texts([texts[i] for i in order[held:]], [texts[i] for i in order[:held]], counts)


def item_texts(scenarios: Mapping[str, LoadedScenario]) -> dict[str, list[str]]:
    """The text of every item, by scenario, of those whose items have any."""
    found = {}
    for name, one in scenarios.items():
        column = next((column for column in one.scenario.item_columns if isinstance(column, Text)), None)
        if column is not None:
            found[name] = one.tables.items[column.name].fillna("").astype(str).tolist()
    return found


def _columns(one: LoadedScenario) -> list[list[str]]:
    """Texts of rows that training knows, by column."""
    tables, train_R = one.tables, one.split.phase_R == Phase.TRAIN
    found = []
    for table, frame, row_R in (("items", tables.items, tables.item_R), ("users", tables.users, tables.user_R)):
        known = np.bincount(row_R[train_R], minlength=len(frame)) > 0
        found += [
            frame.loc[known, column.name].fillna("").astype(str).str.strip().tolist()
            for column in columns_of(one, table)
            if isinstance(column, Text)
        ]
    return found
