"""Arrivals: items, and a user, that a finished run has never heard of, known by their columns or a text only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from polyscene.data.columns import Text
from polyscene.data.declared import validate_scenario
from polyscene.data.ids import series
from polyscene.data.phases import Phase
from polyscene.data.sources import read_frame
from polyscene.errors import DataError, Problems, did_you_mean
from polyscene.model import PolysceneModel
from polyscene.training.encoders import Sharing, bind_again
from polyscene.training.loading import LoadedScenario
from polyscene.training.priors import prior_data
from polyscene.training.session import Session

_TEXT_ID = "(text)"


def read_new_items(path: Path, loaded: LoadedScenario) -> pd.DataFrame:
    """Items from a CSV or Parquet file, with ``item_id`` and the columns that the scenario declares.

    Columns that enrichment added are filled with nothing, further ones of the file are left out.

    Raises:
        DataError: the file is empty, columns are missing, texts are empty, ids are missing, double or known.
    """
    frame = new_items(read_frame(path), loaded, str(path))
    ids = series(frame, "item_id")
    known = ids[ids.isin(series(loaded.tables.items, "item_id"))].tolist()
    if known:
        raise DataError(
            f"{len(known)} items exist already: {', '.join(known[:3])}", where=str(path), fix="give new items only"
        )
    return frame


def new_items(frame: pd.DataFrame, loaded: LoadedScenario, where: str) -> pd.DataFrame:
    """Items as :func:`read_new_items` gives them, if they are new; ``where`` is for messages."""
    scenario = loaded.scenario
    frame = frame.assign(item_id=frame["item_id"].astype("str")) if "item_id" in frame else frame
    declared = {column.name: column for column in scenario.item_columns if column.name not in ("", "item_id")}
    problems = Problems(where)
    for name in ("item_id", *(name for name in declared if name not in loaded.gated)):
        if name not in frame:
            hint = did_you_mean(name, map(str, frame.columns))
            problems.add(f"column '{name}' is missing, which scenario '{scenario.name}' reads", fix=hint)
    if frame.empty:
        problems.add("there is no item in it", fix="give a line per item below the header")
    problems.raise_if_any(DataError)
    ids = series(frame, "item_id")
    double = sorted(set(ids[ids.duplicated()]))
    if double:
        problems.add(f"{len(double)} ids occur twice: {', '.join(double[:3])}", fix="give each item one line")
    for name in (name for name, column in declared.items() if isinstance(column, Text) and name in frame):
        empty = ids[series(frame, name).fillna("").astype(str).str.strip() == ""].tolist()
        if empty:
            problems.add(f"'{name}' of {len(empty)} items is empty: {', '.join(empty[:3])}", fix="give a text")
    problems.raise_if_any(DataError)
    return frame.filter(items=list(loaded.tables.items.columns))


def with_items(loaded: LoadedScenario, items: pd.DataFrame) -> LoadedScenario:
    """The scenario with further items, which no row holds and whose other columns are missing.

    Raises:
        DataError: the scenario is a domain of another one, or columns do not hold what they are declared to.
    """
    if loaded.part is not None:
        raise DataError(
            "a domain is part of a scenario, and nothing can arrive in it alone",
            where=loaded.part.label,
            fix="train the scenario without 'domains' to serve new items and texts",
        )
    before = loaded.tables.items
    tables = replace(loaded.tables, items=pd.concat([before, items.reindex(columns=before.columns)]))
    validate_scenario(loaded.scenario, tables)
    new_N = torch.ones(len(items), dtype=torch.bool)
    cold_N = torch.cat([loaded.events.cold_N, new_N])
    events = replace(loaded.events, n_items=len(tables.items), cold_N=cold_N)
    split = replace(loaded.split, cold_N=np.concatenate([loaded.split.cold_N, new_N.numpy()]))
    return replace(loaded, tables=tables, events=events, split=split)


def with_user(loaded: LoadedScenario, items: Tensor) -> LoadedScenario:
    """The scenario with one more user, the last, who had some items (int64 ``[M]``, oldest first).

    Their rows have the latest time, a middling value, and nothing in other columns.
    """
    tables, events, labelled_R = loaded.tables, loaded.events, loaded.events.labelled_R
    users = pd.concat([tables.users, pd.DataFrame({"user_id": [_TEXT_ID]}).reindex(columns=tables.users.columns)])
    rows, count = len(events.item_R), len(items)
    empty = {name: _filled(column, count) for name, column in events.columns.items()}
    value, time = events.value_R.float().median(), events.time_R.max()
    start_P = torch.full((1, len(Phase) + 1), rows + count, dtype=torch.int64)
    start_P[0, : Phase.KNOWN + 1] = rows
    served = replace(
        events,
        item_R=torch.cat([events.item_R, items.to(events.item_R)]),
        value_R=torch.cat([events.value_R, value.expand(count)]),
        time_R=torch.cat([events.time_R, time.expand(count)]),
        start_UP=torch.cat([events.start_UP, start_P.to(events.start_UP)]),
        cold_U=torch.cat([events.cold_U, torch.ones_like(events.cold_U[:1])]),
        columns={name: torch.cat([column, empty[name]]) for name, column in events.columns.items()},
        labelled_R=None if labelled_R is None else torch.cat([labelled_R, labelled_R.new_zeros(count)]),
    )
    split = replace(loaded.split, cold_U=np.append(loaded.split.cold_U, True))
    part = loaded.part
    if part is not None and loaded.whole is not None:
        # Behind all rows of the whole scenario, which gets them in the same place.
        first = len(loaded.whole.events.item_R)
        part = replace(part, event_R=torch.cat([part.event_R, torch.arange(first, first + count)]))
    return replace(loaded, tables=replace(tables, users=users), events=served, split=split, part=part)


def welcome(
    session: Session, model: PolysceneModel, group: Mapping[str, LoadedScenario], items: Tensor
) -> dict[str, LoadedScenario]:
    """Let a model in eval mode serve one more user of a scenario, as :func:`with_user`.

    Args:
        session: config, plugins and backbone of the run.
        model: the model; the user stays in it.
        group: the scenario by its name; or all its domains that the model holds, which share their users.
        items: what the user had in each, int64 ``[M]``.
    """
    first = next(iter(group.values()))
    whole = with_user(first.whole or first, items)
    members = {name: with_user(one, items) for name, one in group.items()}
    members = {name: replace(one, whole=one.part and whole) for name, one in members.items()}
    bind_again(session, model, Sharing(whole, members), ("users", "events"))
    return members


def receive(session: Session, model: PolysceneModel, name: str, loaded: LoadedScenario) -> None:
    """Let a model in eval mode serve the items that a scenario has now; nothing is learned.

    New items have no id vector and no popularity but that of new ones, as content dropout has taught.
    """
    bind_again(session, model, Sharing(loaded, {name: loaded}), ("items",))
    model.n_items[name] = loaded.events.n_items
    if (mixture := model.mixture(name)) is not None:
        mixture.receive(prior_data(session, name, loaded))
    for task in model.tasks_of(name).values():
        task.receive(loaded.events.n_items)


def _filled(column: Tensor, count: int) -> Tensor:
    """Missing values: NaN for numbers, -1 for codes, and the latest of times."""
    if column.dtype == torch.int64:
        return column.max().expand(count)
    return torch.full((count,), torch.nan if column.is_floating_point() else -1).to(column)
