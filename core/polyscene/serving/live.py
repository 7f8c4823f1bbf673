"""A loaded model version together with how far it has followed what happened since."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from polyscene.errors import PolysceneError
from polyscene.feedback import REACTIONS, FeedbackLog
from polyscene.serving.arrivals import Arrivals
from polyscene.serving.choices import Choices
from polyscene.serving.deployment import Deployment
from polyscene.serving.engine import Engine, Put, Request

_LOG = logging.getLogger(__name__)
ERASED = "erased.jsonl"
"""The record of erasures in a deployment: when and how many events, not of whom."""
_RETRY_S = 2.0


class Live:
    """An engine that knows the items that arrived and what users did, in this process and in others.

    Items and events are read from where they are kept, by a cursor, before requests are answered: so several
    workers, a restart and a version that is just being loaded all come to know the same in the same way.

    Args:
        choices: what chooses in front of an engine that is fresh: it has taken in items at most.
        deployment: where items are kept.
        log: what users did.
    """

    def __init__(self, choices: Choices, deployment: Deployment, log: FeedbackLog) -> None:
        self.choices, self.engine, self.log = choices, choices.engine, log
        self.arrivals = Arrivals(deployment)
        self._erased = deployment.folder / ERASED
        self._erasures = self._erased_size()
        self._item_cursor, self._event_cursor = choices.item_cursor, 0
        self._retry_at = 0.0
        self.trouble = ""
        """Why it does not know the latest, where it does not."""
        self.spoiled = False
        """Whether it knows an item that could not be kept."""
        self.names = list(self.engine.shelves)
        """The scenarios that are served."""

    @property
    def stale(self) -> bool:
        """Whether it knows what it should not: an erased user, or an item that could not be kept."""
        return self.spoiled or self._erased_size() != self._erasures

    def catch_up(self) -> int:
        """Take in what arrived; returns how many items and events that was.

        Where log or items cannot be read, answers go on from what is known, and it is tried again a little later.
        """
        if time.monotonic() < self._retry_at:
            return 0
        try:
            taken = self._take_items() + self._take_events()
        except Exception as error:  # whatever it is, it costs no answer but what is new
            if not isinstance(error, PolysceneError):
                _LOG.exception("what happened cannot be followed")
            else:
                _LOG.warning("what happened cannot be followed: %s", error)
            self.trouble, self._retry_at = str(error), time.monotonic() + _RETRY_S
            return 0
        self.trouble = ""
        return taken

    def put_items(self, scenario: str, rows: Sequence[Mapping[str, Any]]) -> Put:
        """Add or change items: known to the engine and on disk when this returns.

        Raises:
            PolysceneError: the rows do not fit, or cannot be kept; nothing is changed then.
        """
        with self.arrivals.deployment.locked():
            self._take_items()
            put = self.engine.put_items(scenario, rows)
            try:
                self._item_cursor = self.arrivals.append(scenario, rows)
            except PolysceneError:
                self.spoiled = True
                raise
        return put

    def forget(self, user: str, before: int, after: int) -> None:
        """Forget a user, after the log did. Other workers load anew, since nobody tells them whom to forget.

        So does this one where policies learn: what they know is a sum, from which nothing can be taken out.

        Args:
            user: the user's id.
            before, after: the size of the record of erasures without and with this one.
        """
        self.engine.forget(user)
        if self._erasures == before and not self.choices.learn:
            self._erasures = after

    def _take_items(self) -> int:
        self._item_cursor, taken = take_items(self.engine, self.arrivals, self._item_cursor)
        return taken

    def _take_events(self) -> int:
        # Nearly all that is new are impressions of these very answers, of which nothing but policies learn.
        learn = self.choices.learn
        last = self.log.last() if learn else self.log.last_reaction()
        if last <= self._event_cursor:
            return 0
        kinds, taken = () if learn else REACTIONS, 0
        for logged in self.log.read(self._event_cursor, until=last, kinds=kinds):
            events = [one.event for one in logged]
            self.engine.observe(events)
            self.choices.read(events)
            self._event_cursor, taken = logged[-1].number, taken + len(logged)
        self._event_cursor = last
        return taken

    def _erased_size(self) -> int:
        return self._erased.stat().st_size if self._erased.exists() else 0


def take_items(engine: Engine, arrivals: Arrivals, cursor: int) -> tuple[int, int]:
    """Let an engine know the items that arrived after ``cursor``; the new cursor, and how many there were."""
    taken = 0
    for end, scenario, rows in arrivals.after(cursor):
        try:
            engine.put_items(scenario, rows)
        except PolysceneError as error:
            # Another version may lack the scenario or ask for other columns; the rest is taken all the same.
            arrivals.complain(error)
        cursor, taken = end, taken + len(rows)
    return cursor, taken


def warm(engine: Engine, *, texts: bool) -> None:
    """Answer a request of each scenario, so that real ones find everything in place.

    Args:
        engine: fresh.
        texts: whether one of them is a text, for which the backbone is loaded.

    Raises:
        PolysceneError: the model cannot answer.
    """
    infos = engine.scenarios()
    requests = [Request(info.name, k=1) for info in infos]
    if texts:
        requests += [Request(info.name, text="anything", k=1) for info in infos if info.by_text][:1]
    for outcome in engine.answer(requests):
        if isinstance(outcome, PolysceneError):
            raise outcome
