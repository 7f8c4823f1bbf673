"""Partition: a scenario's data divided into domains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from polyscene.data.domains import DomainsConfig, label_of
from polyscene.data.events import Events
from polyscene.data.ids import series
from polyscene.data.phases import Phase
from polyscene.data.splits.base import Split
from polyscene.data.tables import Tables
from polyscene.errors import DataError, Problems, did_you_mean


@dataclass(frozen=True)
class Part:
    """One domain: its own data, and where it lies in the data of the whole scenario.

    Users keep their numbers in every domain, so that all share one table of users. Items do so where users are
    divided; where items are divided each domain has its own.

    Args:
        label: the domain.
        tables, split, events: as of a scenario of its own.
        row_R: rows of the whole scenario's interactions (in the order of its tables), int64.
        event_R: rows of the whole scenario's events, int64.
        item_N: rows of the whole table of items, int64; None where all items are in the domain.
    """

    label: str
    tables: Tables
    split: Split
    events: Events
    row_R: np.ndarray
    event_R: Tensor
    item_N: Tensor | None


def partition(name: str, tables: Tables, split: Split, events: Events, config: DomainsConfig) -> list[Part]:
    """The domains of a scenario, in the order of the config (or sorted by value where it names none).

    Args:
        name: the scenario, for messages.
        tables: its data.
        split: the phases of its interactions.
        events: the same rows as flat tensors.
        config: how it is divided.

    Raises:
        DataError: neither users nor items have the column, or a domain has no row to train on.
    """
    by_items, labels, code = _codes(name, tables, config)
    code_R = code[tables.item_R if by_items else tables.user_R]
    entity_F = events.item_R.long() if by_items else torch.from_numpy(events.rows(Phase, context=True)[0])
    code_F = torch.from_numpy(code)[entity_F]
    parts, problems = [], Problems(f"scenario.{name}.domains")
    for number, label in enumerate(labels):
        row_R = np.flatnonzero(code_R == number)
        if not np.any(split.phase_R[row_R] == Phase.TRAIN):
            problems.add(
                f"domain '{label}' has no training row",
                fix=f"values of '{config.column}': {_examples(tables, config)}",
            )
            continue
        item_N = np.flatnonzero(code == number) if by_items else None
        event_R = (code_F == number).nonzero().squeeze(1)
        parts.append(_part((tables, split, events), label, row_R, event_R, item_N))
    problems.raise_if_any(DataError)
    return parts


def select_events(events: Events, event_R: Tensor, item_N: Tensor | None = None) -> Events:
    """The events of some rows (int64, ascending), with items renumbered by their place in ``item_N``."""
    kept_R = torch.zeros(len(events.item_R), dtype=torch.bool)
    kept_R[event_R] = True
    # Rows keep their order, so a stretch of a user begins where the rows before it end.
    before_R = torch.cat([torch.zeros(1, dtype=torch.int64), kept_R.long().cumsum(0)])
    item_R, cold_N, n_items = events.item_R[event_R], events.cold_N, events.n_items
    if item_N is not None:
        place_N = torch.full((n_items,), -1, dtype=torch.int32)
        place_N[item_N] = torch.arange(len(item_N), dtype=torch.int32)
        item_R, cold_N, n_items = place_N[item_R.long()], cold_N[item_N], len(item_N)
    return replace(
        events,
        item_R=item_R,
        value_R=events.value_R[event_R],
        time_R=events.time_R[event_R],
        start_UP=before_R[events.start_UP],
        n_items=n_items,
        cold_N=cold_N,
        columns={name: column[event_R] for name, column in events.columns.items()},
        labelled_R=None if events.labelled_R is None else events.labelled_R[event_R],
    )


def _part(
    whole: tuple[Tables, Split, Events], label: str, row_R: np.ndarray, event_R: Tensor, item_N: Any
) -> Part:
    tables, split, events = whole
    items = tables.items if item_N is None else tables.items.iloc[item_N]
    own = replace(tables, items=items, interactions=pd.DataFrame(tables.interactions.iloc[row_R]))
    own_split = replace(
        split,
        phase_R=split.phase_R[row_R],
        cold_N=split.cold_N if item_N is None else split.cold_N[item_N],
        fingerprint=own.fingerprint(),
    )
    item_places = None if item_N is None else torch.from_numpy(item_N)
    return Part(label, own, own_split, select_events(events, event_R, item_places), row_R, event_R, item_places)


def _codes(name: str, tables: Tables, config: DomainsConfig) -> tuple[bool, list[str], np.ndarray]:
    """``(whether items are divided, labels, code)``: the domain of each user or item, -1 for none."""
    frames = {"users": tables.users, "items": tables.items}
    found = [table for table, frame in frames.items() if config.column in frame]
    if len(found) != 1:
        columns = [str(column) for frame in frames.values() for column in frame.columns]
        raise DataError(
            f"{'both users and items' if found else 'neither users nor items'} have a column '{config.column}'",
            where=f"scenario.{name}.domains.column",
            fix=did_you_mean(config.column, columns),
        )
    values = _texts(frames[found[0]], config.column)
    named = {str(value): label for label, own in config.values.items() for value in own}
    named = named or {value: label_of(value) for value in sorted({*values.dropna()}, key=_natural)}
    labels = list(dict.fromkeys(named.values()))
    number = {value: labels.index(label) for value, label in named.items()}
    code = values.map(number).fillna(-1).to_numpy(dtype=np.int64, copy=True)
    return found[0] == "items", labels, code


def _texts(frame: pd.DataFrame, column: str) -> pd.Series:
    values = series(frame, column)
    return values.astype("object").where(values.notna(), None).map(str, na_action="ignore")


def _natural(value: str) -> tuple[bool, float, str]:
    return (not value.isdigit(), float(value) if value.isdigit() else 0.0, value)


def _examples(tables: Tables, config: DomainsConfig) -> str:
    frame = tables.users if config.column in tables.users else tables.items
    return ", ".join(map(str, series(frame, config.column).dropna().unique()[:12]))
