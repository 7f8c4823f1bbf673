"""The queue between requests and one thread: in order, bounded, together where that is allowed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from polyscene.serving.queueing import Busy, Queue, Turn


class Slow:
    """Serves when it is let, and remembers what was served together."""

    def __init__(self) -> None:
        self.let, self.begun = threading.Event(), threading.Event()
        self.served: list[list[int]] = []

    def __call__(self, turns: Sequence[Turn[int]]) -> None:
        self.begun.set()
        self.let.wait(10)
        self.served.append([turn.what for turn in turns])
        for turn in turns:
            turn.done(ValueError("thirteen") if turn.what == 13 else turn.what * 10)


def test_what_waits_is_served_together_in_order_and_some_alone() -> None:
    slow = Slow()

    async def ask() -> list[int]:
        queue: Queue[int] = Queue(slow, name="test", room=100, most=4, alone=lambda what: what >= 100)
        first = asyncio.ensure_future(queue.put(0))
        await asyncio.to_thread(slow.begun.wait, 10)
        others = [asyncio.ensure_future(queue.put(what)) for what in (1, 2, 100, 3, 4, 5, 6, 7)]
        await asyncio.sleep(0)
        slow.let.set()
        found = await asyncio.gather(first, *others)
        queue.close()
        return found

    assert asyncio.run(ask()) == [0, 10, 20, 1000, 30, 40, 50, 60, 70]
    assert slow.served == [[0], [1, 2], [100], [3, 4, 5, 6], [7]]


def test_an_error_concerns_its_own_turn() -> None:
    slow = Slow()
    slow.let.set()

    async def ask() -> tuple[object, object]:
        queue: Queue[int] = Queue(slow, name="test", room=100, most=4)
        found = await asyncio.gather(queue.put(13), queue.put(1), return_exceptions=True)
        queue.close()
        return found[0], found[1]

    error, fine = asyncio.run(ask())
    assert isinstance(error, ValueError)
    assert fine == 10


def test_a_thread_that_fails_goes_on() -> None:
    def failing(turns: Sequence[Turn[int]]) -> None:
        if turns[0].what == 0:
            raise ZeroDivisionError
        turns[0].done("well")

    async def ask() -> object:
        queue: Queue[int] = Queue(failing, name="test", room=10, most=1)
        with pytest.raises(ZeroDivisionError):
            await queue.put(0)
        found = await queue.put(1)
        queue.close()
        return found

    assert asyncio.run(ask()) == "well"


def test_a_full_queue_says_when_to_come_back_and_a_closed_one_serves_who_waits() -> None:
    slow = Slow()

    async def ask() -> list[object]:
        queue: Queue[int] = Queue(slow, name="the model", room=3, most=4)
        first = asyncio.ensure_future(queue.put(0))
        await asyncio.to_thread(slow.begun.wait, 10)
        others = [asyncio.ensure_future(queue.put(what, weight)) for what, weight in ((1, 2), (2, 1), (3, 1))]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="too much waits for the model already") as refused:
            await others[2]
        assert refused.value.seconds == 1
        slow.let.set()
        await asyncio.to_thread(queue.close)
        with pytest.raises(Busy, match="stops"):
            await queue.put(4)
        return list(await asyncio.gather(first, *others[:2]))

    assert asyncio.run(ask()) == [0, 10, 20]
