"""The feedback log in a SQL database."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, distinct, func, insert, select, update

from polyscene.errors import ConflictError, FeedbackError, PolysceneError, did_you_mean
from polyscene.feedback.database import Database
from polyscene.feedback.events import KINDS, REACTIONS, Event, Kind
from polyscene.feedback.log import Appended, Counted, Logged
from polyscene.feedback.mapping import from_mapping, to_mapping
from polyscene.feedback.schema import EVENTS, STATE

_ASKED = 1000  # ids in one question
_SHARED = ("event_id", "kind", "time", "scenario", "user")  # keys with a column of their own
_CONTENT = ("kind", "scenario", "user_id", "content")  # what makes two events with one id the same

# Asked for at every request: put together once, each takes a third of the time.
_NUMBERS = select(STATE.c.last, STATE.c.last_reaction)
_TURN = _NUMBERS.with_for_update()
_KNOWN = select(EVENTS).where(EVENTS.c.event_id.in_(bindparam("ids", expanding=True)))
_INSERT = insert(EVENTS)
_COUNT_ON = update(STATE).values(last=bindparam("to"), last_reaction=bindparam("to_reaction"))


class SqlLog:
    """A :class:`polyscene.feedback.log.FeedbackLog` in a SQL database.

    Args:
        database: holds the tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, events: Sequence[Event]) -> Appended:
        rows = self._rows(events)
        if not rows:
            return Appended(0, 0)
        with self._database.writing() as connection:
            # Until this commits, everybody else who appends waits here: numbers are given in the order of commits.
            last, last_reaction = connection.execute(_TURN).one()
            fresh = dict(rows)
            ids = list(rows)
            for start in range(0, len(ids), _ASKED):
                asked = connection.execute(_KNOWN, {"ids": ids[start : start + _ASKED]})
                for known in asked.mappings():
                    self._check_same(known, fresh.pop(known["event_id"]))
            if fresh:
                numbered = [{**row, "number": last + place} for place, row in enumerate(fresh.values(), start=1)]
                connection.execute(_INSERT, numbered)
                reactions = [row["number"] for row in numbered if row["kind"] in REACTIONS]
                to = {"to": last + len(fresh), "to_reaction": max(reactions, default=last_reaction)}
                connection.execute(_COUNT_ON, to)
        return Appended(new=len(fresh), known=len(events) - len(fresh))

    def read(
        self,
        after: int = 0,
        *,
        until: int | None = None,
        scenario: str | None = None,
        kinds: Collection[Kind] = (),
        batch: int = 1000,
    ) -> Iterator[list[Logged]]:
        if batch < 1:
            raise FeedbackError(f"'batch' is {batch}; at least 1 is expected", where=self._database.where)
        for kind in (one for one in kinds if one not in KINDS):
            raise FeedbackError(f"there is no kind '{kind}'", where="kinds", fix=did_you_mean(kind, KINDS))
        wanted = select(EVENTS).where(EVENTS.c.number <= (self.last() if until is None else until))
        if scenario is not None:
            wanted = wanted.where(EVENTS.c.scenario == scenario)
        if kinds:
            wanted = wanted.where(EVENTS.c.kind.in_(sorted(kinds)))
        return self._batches(wanted, after, batch)

    def last(self) -> int:
        return self._numbers()[0]

    def last_reaction(self) -> int:
        return self._numbers()[1]

    def counts(self) -> list[Counted]:
        by = (EVENTS.c.scenario, EVENTS.c.kind)
        users, time = func.count(distinct(EVENTS.c.user_id)), EVENTS.c.time
        asked = select(*by, func.count(), users, func.min(time), func.max(time)).group_by(*by)
        with self._database.reading() as connection:
            return sorted(
                (Counted(*row) for row in connection.execute(asked)), key=lambda one: (one.scenario, one.kind)
            )

    def export(self, user: str) -> list[Logged]:
        with self._database.reading() as connection:
            found = connection.execute(
                select(EVENTS).where(EVENTS.c.user_id == user).order_by(EVENTS.c.number)
            ).all()
        return [self._logged(row) for row in found]

    def erase(self, user: str) -> int:
        with self._database.writing() as connection:
            count = connection.execute(delete(EVENTS).where(EVENTS.c.user_id == user)).rowcount
        self._database.overwrite()
        return count

    def close(self) -> None:
        self._database.close()

    def _numbers(self) -> tuple[int, int]:
        """The numbers of the last event and of the last reaction."""
        with self._database.reading() as connection:
            last, last_reaction = connection.execute(_NUMBERS).one()
        return last, last_reaction

    def _batches(self, wanted: Select[Any], after: int, batch: int) -> Iterator[list[Logged]]:
        while True:
            # No transaction stays open while the caller works: it would keep the database from tidying up.
            with self._database.reading() as connection:
                asked = wanted.where(EVENTS.c.number > after).order_by(EVENTS.c.number).limit(batch)
                found = connection.execute(asked).all()
            if not found:
                return
            yield [self._logged(row) for row in found]
            after = found[-1].number

    def _rows(self, events: Sequence[Event]) -> dict[str, dict[str, Any]]:
        """One row for each id."""
        rows: dict[str, dict[str, Any]] = {}
        for event in events:
            content = {key: value for key, value in to_mapping(event).items() if key not in _SHARED}
            row = {
                "event_id": event.event_id,
                "kind": event.kind,
                "time": event.time,
                "scenario": event.scenario,
                "user_id": event.user,
                "content": json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")),
            }
            self._check_same(rows.setdefault(event.event_id, row), row)
        return rows

    def _check_same(self, known: Mapping[Any, Any], row: Mapping[str, Any]) -> None:
        if any(known[name] != row[name] for name in _CONTENT):
            raise ConflictError(
                f"the event id '{row['event_id']}' stands for another event already; nothing was written",
                where=self._database.where,
                fix="give each event an id of its own, and repeat one only to send the same event again",
            )

    def _logged(self, row: Row[Any]) -> Logged:
        try:
            content = {**json.loads(row.content), "event_id": row.event_id, "kind": row.kind, "time": row.time}
            return Logged(row.number, from_mapping({**content, "scenario": row.scenario, "user": row.user_id}))
        except (ValueError, TypeError, PolysceneError) as problem:
            raise FeedbackError(
                f"event {row.number} is damaged", where=self._database.where, fix="restore a backup"
            ) from problem
