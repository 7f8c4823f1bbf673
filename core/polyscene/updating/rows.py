"""Rows: reactions in the terms of a scenario's data, without those that it can make nothing of."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from polyscene.serving.engine.shelf import untold_values
from polyscene.tasks.task import PairTask, Task
from polyscene.training.loading import LoadedScenario
from polyscene.updating.config import UpdateConfig
from polyscene.updating.reading import RATING, SKIP, Row

_YEAR_2000, _DAY = 946_684_800.0, 86_400.0


@dataclass(frozen=True)
class NewRows:
    """X rows in the order of the log.

    Args:
        number_X: int64 numbers in the log.
        user_X: int64 rows of the table of users; those behind its end are ``newcomers``.
        item_X: int64 rows of the table of items.
        value_X: float32, in the units of the data.
        time_X: int64 unix seconds, 0 where the data has no times.
        rated: whether every row is a rating, so that all values are what users said.
        newcomers: ids of users whom the data does not know, in the order of their numbers.
        mended: rows whose time cannot be, which got that of the row before.
    """

    number_X: np.ndarray
    user_X: np.ndarray
    item_X: np.ndarray
    value_X: np.ndarray
    time_X: np.ndarray
    rated: bool
    newcomers: list[str]
    mended: int

    def __len__(self) -> int:
        return len(self.number_X)


def rows_of(
    found: list[Row],
    loaded: LoadedScenario,
    task: Task,
    config: UpdateConfig,
    passed: Counter[str],
    *,
    people: bool,
    now: float | None = None,
) -> NewRows:
    """Reactions as rows of a scenario.

    A reaction without a rating has a middling value: where the task judges rows, that of a middling positive, and
    a skip that of a middling negative.

    Args:
        found: reactions in the order of the log.
        loaded: the scenario with the items that have come.
        task: its first task.
        config: what is passed over.
        passed: counts what is passed over, by reason.
        people: whether users are among the items, so that whoever is no item is nobody.
        now: unix seconds.
    """
    items = {item: row for row, item in enumerate(loaded.tables.item_ids.tolist())}
    users = {user: row for row, user in enumerate(loaded.tables.user_ids.tolist())}
    known, first = len(users), _first_second(loaded)
    values = untold_values(loaded.events, task)
    latest = (time.time() if now is None else now) + _DAY
    before, mended, kept = first, 0, []
    for row in found:
        reason = _reason(row, items, users, task, config, people=people)
        if reason:
            passed[reason] += 1
            continue
        plausible = first <= row.time <= latest
        mended += not plausible
        before = row.time if plausible else before
        value = values[row.kind == SKIP] if row.value is None else row.value
        user = users.setdefault(row.user, len(users))
        kept.append((row.number, user, items[row.item], value, before, row.kind == RATING))
    kept = _without_known(kept, loaded, passed)
    columns = np.array(kept, dtype=np.float64).reshape(-1, 6).T
    number_X, user_X, item_X = columns[:3].astype(np.int64)
    timed = loaded.tables.time_R is not None
    return NewRows(
        number_X,
        user_X,
        item_X,
        columns[3].astype(np.float32),
        columns[4].astype(np.int64) if timed else np.zeros(len(number_X), dtype=np.int64),
        rated=bool(columns[5].all()),
        newcomers=list(users)[known:],
        mended=mended,
    )


def _reason(
    row: Row,
    items: Mapping[str, int],
    users: Mapping[str, int],
    task: Task,
    config: UpdateConfig,
    *,
    people: bool,
) -> str:
    """Why a reaction is no row; empty where it is one."""
    if row.item not in items:
        return "unknown item"
    if people and row.user not in users:
        return "unknown person"
    if isinstance(task, PairTask):
        return ""
    if row.kind == SKIP:
        return "skip: its task knows no negatives"
    if config.positive_from is not None and row.value is not None and row.value < config.positive_from:
        return f"rated below {config.positive_from:g}"
    return ""


def _first_second(loaded: LoadedScenario) -> float:
    """Before this no clock can have been."""
    time_R = loaded.tables.time_R
    return _YEAR_2000 if time_R is None or not len(time_R) else min(_YEAR_2000, float(time_R.min()))


def _without_known(
    kept: list[tuple[int, int, int, float, float, bool]], loaded: LoadedScenario, passed: Counter[str]
) -> list[tuple[int, int, int, float, float, bool]]:
    """Rows that the data does not hold: a log may have been exported to what a run was trained on."""
    if loaded.tables.time_R is None or not kept:
        return kept
    tables = loaded.tables
    users = np.unique([row[1] for row in kept])
    place_R = np.flatnonzero(np.isin(tables.user_R, users))
    time_R = tables.time_R
    assert time_R is not None
    had = set(
        zip(
            tables.user_R[place_R].tolist(), tables.item_R[place_R].tolist(), time_R[place_R].tolist(), strict=True
        )
    )
    new = [row for row in kept if (row[1], row[2], int(row[4])) not in had]
    passed["in the data already"] += len(kept) - len(new)
    return new
