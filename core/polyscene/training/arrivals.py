"""Arrivals: items, and a user, that a finished run has never heard of, known by their columns or a text only."""

from __future__ import annotations

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
from polyscene.training.encoders import bind_again
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
    frame, scenario = read_frame(path), loaded.scenario
    frame = frame.assign(item_id=frame["item_id"].astype("str")) if "item_id" in frame else frame
    declared = {column.name: column for column in scenario.item_columns if column.name not in ("", "item_id")}
    problems = Problems(f"{path}")
    for name in ("item_id", *(name for name in declared if name not in loaded.gated)):
        if name not in frame:
            hint = did_you_mean(name, map(str, frame.columns))
            problems.add(f"column '{name}' is missing, which scenario '{scenario.name}' reads", fix=hint)
    if frame.empty:
        problems.add("there is no item in it", fix="give a line per item below the header")
    problems.raise_if_any(DataError)
    ids = series(frame, "item_id")
    known = ids[ids.isin(series(loaded.tables.items, "item_id"))].tolist()
    double = sorted(set(ids[ids.duplicated()]))
    if known:
        problems.add(f"{len(known)} items exist already: {', '.join(known[:3])}", fix="give new items only")
    if double:
        problems.add(f"{len(double)} ids occur twice: {', '.join(double[:3])}", fix="give each item one line")
    for name in (name for name, column in declared.items() if isinstance(column, Text) and name in frame):
        empty = ids[series(frame, name).fillna("").astype(str).str.strip() == ""].tolist()
        if empty:
            problems.add(f"'{name}' of {len(empty)} items is empty: {', '.join(empty[:3])}", fix="give a text")
    problems.raise_if_any(DataError)
    return frame.filter(items=list(loaded.tables.items.columns))


def described(loaded: LoadedScenario, text: str) -> pd.DataFrame:
    """An item of which nothing is known but a text: what stands for a user who is known by a text.

    Raises:
        DataError: the text is empty, or the scenario's items have no text to compare with.
    """
    columns = [column.name for column in loaded.scenario.item_columns if isinstance(column, Text)]
    if not columns:
        raise DataError(
            f"items of scenario '{loaded.scenario.name}' have no text that yours could be compared with",
            where="text",
            fix="name a user, or choose a scenario whose items have texts",
        )
    if not text.strip():
        raise DataError(
            "the text is empty", where="text", fix='say what the user likes: text="slow jazz and piano"'
        )
    return pd.DataFrame({"item_id": [_TEXT_ID], **{name: [text.strip()] for name in columns}})


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
    return replace(loaded, tables=replace(tables, users=users), events=served, split=split)


def receive(session: Session, model: PolysceneModel, name: str, loaded: LoadedScenario) -> None:
    """Let a model in eval mode serve the rows that a scenario has now; nothing is learned.

    New items have no id vector and no popularity but that of new ones, as content dropout has taught.
    """
    bind_again(session, model, name, loaded)
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
