"""Feedback on its way to the log: what arrives together is written together, and acknowledged only then."""

from __future__ import annotations

import time
from collections.abc import Sequence

from polyscene.errors import PolysceneError
from polyscene.feedback import Appended, Event, FeedbackLog
from polyscene.serving.queueing import Queue, Turn

_TOGETHER = 64
_SLOW_S = 0.5


class Appender:
    """Writes events to the log, one transaction for all requests that wait.

    Args:
        log: what is durable when its ``append`` returns.
        room: events that may wait.
    """

    def __init__(self, log: FeedbackLog, room: int) -> None:
        self.log = log
        self.queue: Queue[Sequence[Event]] = Queue(self._write, name="the feedback log", room=room, most=_TOGETHER)

    async def append(self, events: Sequence[Event]) -> Appended:
        """Write events; they are on disk when this returns.

        Raises:
            Busy: too many wait.
            FeedbackError: the log refuses them, or cannot be written.
        """
        return await self.queue.put(events, weight=len(events))

    def close(self) -> None:
        """Write what waits, and stop."""
        self.queue.close()

    def _write(self, turns: Sequence[Turn[Sequence[Event]]]) -> None:
        if len(turns) == 1:
            turns[0].done(self.log.append(turns[0].what))
            return
        try:
            self.log.append([event for turn in turns for event in turn.what])
        except PolysceneError:
            self._one_by_one(turns)
            return
        # Who of several that sent the same event was first is not worth another question.
        for turn in turns:
            turn.done(Appended(len(turn.what), 0))

    def _one_by_one(self, turns: Sequence[Turn[Sequence[Event]]]) -> None:
        """So that an event which is refused concerns its sender alone."""
        outage: PolysceneError | None = None
        for turn in turns:
            if outage is not None:
                turn.done(outage)
                continue
            start = time.monotonic()
            try:
                turn.done(self.log.append(turn.what))
            except PolysceneError as error:
                turn.done(error)
                # A log that is locked or away lets everybody wait; a conflict is seen at once.
                outage = error if time.monotonic() - start > _SLOW_S else None
