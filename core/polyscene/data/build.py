"""From tables and a split to events: flat, sorted, ready for the device."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from polyscene.data.columns import Column, Number, Timestamp
from polyscene.data.events import Events
from polyscene.data.ordering import group_by_user
from polyscene.data.phases import Phase
from polyscene.data.scenario import Scenario
from polyscene.data.splits.base import Split
from polyscene.data.tables import Tables

_ORDER_SEED = 0


def build_events(tables: Tables, split: Split, scenario: Scenario, labelled_R: np.ndarray | None = None) -> Events:
    """Interactions sorted by user, phase, time; rows of the same second keep their order in the file.

    Under a split whose order means nothing, rows of a phase lie in any order (the same in every run), so that a
    stretch of them is a fair sample of the user's past: by time it would be what happened around a row, which says
    much about that row and is not known of the rows of another phase.

    Event columns that the scenario declares become tensors: float32 for ``Number``, int64 for ``Timestamp`` and
    int32 codes into :func:`event_labels` for all others (-1 where missing).
    ``labelled_R`` (bool per interaction) marks the shots of a scenario with few labels.
    Memory beside the tables peaks at the 16 bytes per row of the result, 4 or 8 per event column, and a constant.
    """
    rows = len(tables.interactions)
    grouped = group_by_user(tables.user_R, len(tables.users))
    # Once a stretch of row numbers is sorted it is read by every column and never again, so the item indices
    # are written over it instead of beside it.
    item_R = grouped.row_R if grouped.row_R.dtype == np.int32 else np.empty(rows, dtype=np.int32)
    value_R = np.ones(rows, dtype=np.float32) if tables.value_R is None else np.empty(rows, dtype=np.float32)
    time_R = np.zeros(rows, dtype=np.int64)
    sources = {column.name: _source(tables, column) for column in scenario.event_columns}
    columns = {name: np.empty(rows, dtype=source.dtype) for name, source in sources.items()}
    labelled_F = None if labelled_R is None else np.empty(rows, dtype=bool)
    start_UP = np.zeros((len(tables.users), len(Phase) + 1), dtype=np.int64)
    sort_R = tables.time_R
    if sort_R is not None and not split.ordered:
        sort_R = np.random.default_rng(_ORDER_SEED).permutation(np.arange(rows, dtype=np.int32))
    for part, user_B in grouped.parts():
        row_B = grouped.row_R[part]
        phase_B = split.phase_R[row_B]
        keys = [phase_B, user_B] if sort_R is None else [sort_R[row_B], phase_B, user_B]
        row_B = row_B[np.lexsort(keys)]
        if tables.value_R is not None:
            value_R[part] = tables.value_R[row_B]
        if tables.time_R is not None:
            time_R[part] = tables.time_R[row_B]
        for name, source in sources.items():
            columns[name][part] = source[row_B]
        if labelled_F is not None and labelled_R is not None:
            labelled_F[part] = labelled_R[row_B]
        if len(user_B):
            first, last = user_B[0], user_B[-1] + 1
            cell_B = (user_B - first) * len(Phase) + phase_B
            count_UP = np.bincount(cell_B, minlength=(last - first) * len(Phase)).reshape(-1, len(Phase))
            start_UP[first:last, 1:] = np.cumsum(count_UP, axis=1)
        item_R[part] = tables.item_R[row_B]
    start_UP += grouped.start_U[:-1, None]
    return Events(
        item_R=torch.from_numpy(item_R),
        value_R=torch.from_numpy(value_R),
        time_R=torch.from_numpy(time_R),
        start_UP=torch.from_numpy(start_UP),
        n_items=len(tables.items),
        cold_N=torch.from_numpy(split.cold_N),
        cold_U=torch.from_numpy(split.cold_U),
        ordered=split.ordered and tables.time_R is not None,
        together=scenario.together,
        columns={name: torch.from_numpy(column) for name, column in columns.items()},
        labelled_R=None if labelled_F is None else torch.from_numpy(labelled_F),
    )


def event_codes(tables: Tables, name: str) -> np.ndarray:
    """int32 code of each interaction's label in a column, -1 where missing; see :func:`event_labels`."""
    return _factorized(tables, name)[0]


def event_labels(tables: Tables, name: str) -> pd.Index:
    """The labels of an event column, sorted; their positions are the codes in :class:`Events`."""
    return _factorized(tables, name)[1]


def _factorized(tables: Tables, name: str) -> tuple[np.ndarray, pd.Index]:
    codes, labels = pd.factorize(tables.interactions[name], sort=True)
    return codes.astype(np.int32), pd.Index(labels)


def _source(tables: Tables, column: Column) -> np.ndarray:
    if isinstance(column, Number):
        return tables.interactions[column.name].to_numpy(dtype=np.float32, na_value=np.nan)
    if isinstance(column, Timestamp):
        return tables.interactions[column.name].to_numpy(dtype=np.int64)
    return event_codes(tables, column.name)
