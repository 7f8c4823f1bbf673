"""Rows: reactions in the terms of a scenario's data, without those that it can make nothing of."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from polyscene.serving.reactions.reading import RATING, SKIP, Row
from polyscene.serving.reactions.values import untold_values
from polyscene.tasks.task import PairTask, Task
from polyscene.training.loading import LoadedScenario

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
        rated: whether every new row is a rating, so that all values are what users said.
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

    def until(self, number: int) -> NewRows:
        """The rows up to an event of the log."""
        count = int((self.number_X <= number).sum())
        names = ("number_X", "user_X", "item_X", "value_X", "time_X")
        return replace(self, **{name: getattr(self, name)[:count] for name in names})


def rows_of(
    found: list[Row],
    loaded: LoadedScenario,
    task: Task,
    passed: Counter[str],
    *,
    people: bool,
    positive_from: float | None = None,
    after: int = 0,
    now: float | None = None,
) -> NewRows:
    """Reactions as rows of a scenario.

    A reaction without a rating has a middling value: where the task judges rows, that of a middling positive, and
    a skip that of a middling negative.

    Args:
        found: reactions in the order of the log.
        loaded: the scenario with the items that have come.
        task: its first task.
        passed: counts what is passed over, by reason.
        people: whether users are among the items, so that whoever is no item is nobody.
        positive_from: ratings below this are passed over where a task ranks; None for none.
        after: rows up to this number are not new: what is passed over of them is not counted again.
        now: unix seconds.
    """
    items = {item: row for row, item in enumerate(loaded.tables.item_ids.tolist())}
    users = {user: row for row, user in enumerate(loaded.tables.user_ids.tolist())}
    known, first = len(users), _first_second(loaded)
    values = untold_values(loaded.events, task)
    latest = (time.time() if now is None else now) + _DAY
    before, mended, kept = first, 0, []
    for row in found:
        reason = _reason(row, items, users, task, positive_from, people=people)
        if reason:
            passed[reason] += row.number > after
            continue
        plausible = first <= row.time <= latest
        mended += not plausible
        before = row.time if plausible else before
        value = values[row.kind == SKIP] if row.value is None else row.value
        user = users.setdefault(row.user, len(users))
        kept.append((row.number, user, items[row.item], value, before, row.kind == RATING))
    kept = _without_known(kept, loaded, passed, after)
    columns = np.array(kept, dtype=np.float64).reshape(-1, 6).T
    number_X, user_X, item_X = columns[:3].astype(np.int64)
    timed = loaded.tables.time_R is not None
    return NewRows(
        number_X,
        user_X,
        item_X,
        columns[3].astype(np.float32),
        columns[4].astype(np.int64) if timed else np.zeros(len(number_X), dtype=np.int64),
        rated=bool(columns[5][number_X > after].all()),
        newcomers=list(users)[known:],
        mended=mended,
    )


def _reason(
    row: Row,
    items: Mapping[str, int],
    users: Mapping[str, int],
    task: Task,
    positive_from: float | None,
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
    if positive_from is not None and row.value is not None and row.value < positive_from:
        return f"rated below {positive_from:g}"
    return ""


def _first_second(loaded: LoadedScenario) -> float:
    """Before this no clock can have been."""
    time_R = loaded.tables.time_R
    return _YEAR_2000 if time_R is None or not len(time_R) else min(_YEAR_2000, float(time_R.min()))


def _without_known(
    kept: list[tuple[int, int, int, float, float, bool]],
    loaded: LoadedScenario,
    passed: Counter[str],
    after: int,
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
    news = [sum(row[0] > after for row in rows) for rows in (kept, new)]
    passed["in the data already"] += news[0] - news[1]
    return new
