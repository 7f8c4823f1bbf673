"""A queue between many requests and one thread: bounded, in order, several at a time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from polyscene.errors import ServingError

T = TypeVar("T")


class Busy(ServingError):
    """There is no room to wait; come back after ``seconds``."""

    def __init__(self, what: str, seconds: int = 1) -> None:
        self.seconds = seconds
        super().__init__(what, fix=f"send the request again in {seconds} s")


class Turn(Generic[T]):
    """One that waits: what it wants, and where the outcome goes."""

    def __init__(self, what: T, weight: int, future: asyncio.Future[Any]) -> None:
        self.what, self.weight, self._future = what, weight, future

    def done(self, outcome: Any) -> None:
        """Hand over a result, or an exception to be raised."""
        try:
            self._future.get_loop().call_soon_threadsafe(self._settle, outcome)
        except RuntimeError:
            return  # the server has stopped, and nobody waits any more

    def _settle(self, outcome: Any) -> None:
        if self._future.done():
            return
        if isinstance(outcome, BaseException):
            self._future.set_exception(outcome)
        else:
            self._future.set_result(outcome)


class Queue(Generic[T]):
    """Many wait, one thread serves: all that wait together, but at most ``most``, and some alone.

    Args:
        serve: settles each turn that it is given; runs in the thread, and is called again whatever it raises.
        room: weight of all that may wait.
        most: turns that are served together.
        alone: whether something is served by itself; then what waits behind it is served after it.
        name: what the waiting ones want, for messages and the thread.
    """

    def __init__(
        self,
        serve: Callable[[Sequence[Turn[T]]], None],
        *,
        name: str,
        room: int,
        most: int,
        alone: Callable[[T], bool] = lambda _: False,
    ) -> None:
        self.name, self.room, self.most = name, room, most
        self._serve, self._alone = serve, alone
        self._waiting: deque[Turn[T]] = deque()
        self._weight, self._closed = 0, False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    async def put(self, what: T, weight: int = 1) -> Any:
        """Wait for a turn, and give what came of it.

        Raises:
            Busy: too many wait already, or the server stops.
        """
        turn = Turn(what, weight, asyncio.get_running_loop().create_future())
        with self._changed:
            if self._closed:
                raise Busy("the server stops")
            if self._weight + weight > self.room:
                raise Busy(f"too much waits for {self.name} already ({self._weight} of {self.room})")
            self._weight += weight
            self._waiting.append(turn)
            self._changed.notify()
        return await turn._future

    def close(self) -> None:
        """Take nothing more, serve what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while turns := self._next():
            try:
                self._serve(turns)
            except Exception as error:
                # Whoever was settled before keeps that.
                for turn in turns:
                    turn.done(error)

    def _next(self) -> list[Turn[T]]:
        """Who is served next; nobody at the end."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            turns: list[Turn[T]] = []
            while self._waiting and len(turns) < self.most:
                if turns and self._alone(self._waiting[0].what):
                    break
                turns.append(self._waiting.popleft())
                if self._alone(turns[-1].what):
                    break
            self._weight -= sum(turn.weight for turn in turns)
            return turns
