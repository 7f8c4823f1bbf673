"""Reading: what the log has got since the last update, by scenario, with all that is passed over counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from polyscene.feedback import NOBODY, FeedbackLog, Impression, Reaction

SKIP, RATING = "skip", "rating"


class Row(NamedTuple):
    """What a user did with an item, as a row to learn from.

    ``number`` is the event's number in the log, ``time`` in unix seconds, ``value`` a rating's value or None.
    """

    number: int
    user: str
    item: str
    kind: str
    value: float | None
    time: float


@dataclass
class Feedback:
    """What is new in one scenario.

    Args:
        rows: in the order of the log, which unlike clocks is never wrong.
        shown: lists with their numbers in the log.
        brought: the kinds of reactions that a shown item brought, by ``(event_id, item)``.
        passed: how many events are passed over, by reason.
        last: number of the last event.
    """

    rows: list[Row] = field(default_factory=list)
    shown: list[tuple[int, Impression]] = field(default_factory=list)
    brought: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    passed: Counter[str] = field(default_factory=Counter)
    last: int = 0


def read_feedback(
    log: FeedbackLog,
    after: Mapping[str, int],
    until: int,
    kinds: Collection[str],
    *,
    scenario: str | None = None,
) -> dict[str, Feedback]:
    """New events by the scenario that they name, which may be none of the model's.

    The same reaction told twice (a click and then a rating of an item of one list, an event that was sent again
    under another id at the same second) is one row, with the rating's value.

    Args:
        log: the feedback log.
        after: the cursor of each scenario of the model.
        until: the last number to read.
        kinds: of reactions that are rows; skips are read as well, and what a task makes of them is decided later.
        scenario: this one alone; all if None.
    """
    found: dict[str, Feedback] = {}
    known: dict[tuple[str, ...], int] = {}
    for batch in log.read(min(after.values(), default=0), until=until, scenario=scenario):
        for number, event in ((one.number, one.event) for one in batch):
            if number <= after.get(event.scenario, 0):
                continue
            feedback = found.setdefault(event.scenario, Feedback())
            feedback.last = number
            if isinstance(event, Impression):
                if event.user != NOBODY:
                    feedback.shown.append((number, event))
                continue
            if event.impression is not None:
                feedback.brought.setdefault((event.impression, event.item), set()).add(event.kind)
            if event.kind != SKIP and event.kind not in kinds:
                feedback.passed[f"{event.kind}: not among kinds"] += 1
            elif event.user == NOBODY:
                feedback.passed["nobody knows whose"] += 1
            else:
                _take(feedback, known, number, event)
    return found


def _take(feedback: Feedback, known: dict[tuple[str, ...], int], number: int, event: Reaction) -> None:
    # What a price or a watch time is worth in the units of the data nobody knows.
    value = event.value if event.kind == RATING else None
    row = Row(number, event.user, event.item, event.kind, value, event.time)
    told = event.impression or f"at {int(event.time)}"
    key = (event.scenario, event.user, event.item, told, "skip" if event.kind == SKIP else "")
    if key not in known:
        known[key] = len(feedback.rows)
        feedback.rows.append(row)
        return
    feedback.passed["told twice"] += 1
    place = known[key]
    if value is not None:
        feedback.rows[place] = feedback.rows[place]._replace(kind=RATING, value=value)
