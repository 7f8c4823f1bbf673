"""Requests on their way to the model: what waits together is answered in one call, by one thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from polyscene.errors import PolysceneError
from polyscene.experiments.plan import Side
from polyscene.serving.choosing import Chosen, shown
from polyscene.serving.engine import Answer, Request
from polyscene.serving.live import Live
from polyscene.serving.queueing import Queue, Turn

_LOG = logging.getLogger(__name__)
T = TypeVar("T")
Job = Callable[[Live], Any]


@dataclass(frozen=True)
class Ask:
    """A request, and where its user stands; the best are shown where that is None."""

    request: Request
    side: Side | None


class Batcher:
    """The one thread that owns the model.

    Args:
        live: the model that answers first.
        room: how many may wait.
        most: requests that are answered together.
        answered: is told how many requests were answered in each call.
    """

    def __init__(
        self, live: Live, *, room: int, most: int, answered: Callable[[int], None] = lambda _: None
    ) -> None:
        self.live, self._answered = live, answered
        self.queue: Queue[Ask | Job] = Queue(self._serve, name="the model", room=room, most=most, alone=callable)

    async def ask(self, request: Request, side: Side | None = None) -> tuple[Answer, Chosen]:
        """The answer to a request, with what is chosen for a side in the order shown; the best for None.

        Raises:
            Busy: too many wait.
            PolysceneError: what the engine says.
        """
        return await self.queue.put(Ask(request, side))

    async def do(self, job: Callable[[Live], T]) -> T:
        """Anything else that needs the model, between two calls; nobody is answered meanwhile."""
        return await self.queue.put(job)

    async def exchange(self, live: Live) -> None:
        """Answer with another model from here on; who waits already is answered by one of the two."""

        def job(_: Live) -> None:
            live.catch_up()
            self.live = live

        await self.queue.put(job, weight=0)  # a version that is promoted has to serve, so there is room

    def close(self) -> None:
        """Answer who waits, and stop."""
        self.queue.close()

    def _serve(self, turns: Sequence[Turn[Ask | Job]]) -> None:
        live = self.live
        live.catch_up()
        first = turns[0]
        if callable(first.what):
            first.done(_outcome(lambda: cast(Job, first.what)(live)))
            return
        asks = [cast(Ask, turn.what) for turn in turns]
        choosers = [live.choices.of(ask.request.scenario, ask.side) for ask in asks]
        wanted = [chooser.wanted(ask.request) for chooser, ask in zip(choosers, asks, strict=True)]
        vectors = any(chooser.vectors for chooser in choosers)
        outcomes = _outcome(lambda: live.engine.answer(wanted, vectors=vectors))
        if isinstance(outcomes, BaseException):
            # One request must not take the others with it.
            outcomes = [
                _only(_outcome(lambda one=one: live.engine.answer([one], vectors=vectors))) for one in wanted
            ]
        for turn, ask, chooser, outcome in zip(turns, asks, choosers, outcomes, strict=True):
            if isinstance(outcome, Answer):
                chosen = chooser.choose(ask.request, outcome)
                turn.done((shown(outcome, chosen), chosen))
            else:
                turn.done(outcome)
        self._answered(len(turns))


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        if not isinstance(error, PolysceneError):
            _LOG.exception("the model failed")
        return error


def _only(outcome: Any) -> Any:
    return outcome[0] if isinstance(outcome, list) else outcome
