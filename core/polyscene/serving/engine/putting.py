"""Items that are added or changed while the engine serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import torch

from polyscene.data.declared import validate_scenario
from polyscene.data.phases import Phase
from polyscene.errors import DataError, Problems, ServingError, did_you_mean
from polyscene.retrieval import Retriever
from polyscene.serving.engine.answers import Put
from polyscene.serving.engine.shelf import Shelf
from polyscene.training.arrivals import new_items, receive, with_items
from polyscene.training.loading import LoadedScenario


@torch.inference_mode()
def put(retriever: Retriever, shelf: Shelf, rows: Sequence[Mapping[str, Any]]) -> tuple[Put, Shelf]:
    """Add items, or change columns of known ones; what was counted stays as it was.

    New items have no id vector and no popularity but that of new ones, as content dropout has taught.

    Returns:
        How many there were, and the shelf that takes the place of this one.

    Raises:
        ServingError, DataError: the rows do not fit; nothing is changed then.
    """
    if shelf.loaded.part is not None:
        raise DataError(
            "a domain is part of a scenario, and nothing can come or change in it alone",
            where=shelf.loaded.part.label,
            fix="train the scenario without 'domains' to serve new and changed items",
        )
    _check(rows, shelf)
    fresh = [row for row in rows if row["item_id"] not in shelf.position]
    changed = [row for row in rows if row["item_id"] in shelf.position]
    loaded = _with_changes(shelf, changed) if changed else shelf.loaded
    if fresh:
        where = f"scenario '{shelf.name}'"
        loaded = with_items(loaded, new_items(pd.DataFrame(list(map(dict, fresh))), loaded, where))
    model = retriever.model
    receive(shelf.session, model, shelf.name, loaded)
    after = shelf.after(loaded)
    for task in model.tasks_of(shelf.name).values():
        task.observe(after.counts, Phase)
    retriever.serve(shelf.name, after.served())
    return Put(len(fresh), len(changed)), after


def _check(rows: Sequence[Mapping[str, Any]], shelf: Shelf) -> None:
    """Whether each row has an id of its own, and columns that there are."""
    problems, columns = Problems(f"scenario '{shelf.name}'"), list(map(str, shelf.loaded.tables.items.columns))
    ids = [row.get("item_id") for row in rows]
    wrong = [one for one in ids if not isinstance(one, str) or not one]
    if not rows:
        problems.add("there is no item", fix='give rows such as {"item_id": "42", "title": "..."}')
    if wrong:
        problems.add(f"{len(wrong)} items have no item_id, such as {wrong[0]!r:.60}", fix="give a text")
    elif double := [one for one, count in Counter(ids).items() if count > 1]:
        problems.add(
            f"{len(double)} ids occur twice: {', '.join(map(str, double[:3]))}", fix="give each item once"
        )
    for name in dict.fromkeys(name for row in rows for name in row if name not in columns):
        problems.add(f"items have no column '{name}'", fix=did_you_mean(str(name), columns))
    problems.raise_if_any(ServingError)


def _with_changes(shelf: Shelf, rows: Sequence[Mapping[str, Any]]) -> LoadedScenario:
    """The scenario with other values in the columns that rows of known items give."""
    loaded = shelf.loaded
    items = loaded.tables.items.copy()
    for name in dict.fromkeys(name for row in rows for name in row if name != "item_id"):
        values = items[name].astype(object)
        for row in rows:
            if name in row:
                values.iat[shelf.position[row["item_id"]]] = row[name]
        items[name] = values.infer_objects()
    tables = replace(loaded.tables, items=items)
    validate_scenario(loaded.scenario, tables)
    return replace(loaded, tables=tables)
