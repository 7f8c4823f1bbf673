"""Requests that wait share one call of the model, of any scenario; one that breaks it breaks no other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from polyscene.errors import ServingError
from polyscene.experiments.plan import Plan
from polyscene.feedback import Reaction, open_log
from polyscene.serving.batching import Batcher
from polyscene.serving.config import ServeConfig
from polyscene.serving.deployment import Deployment
from polyscene.serving.engine import Request
from polyscene.serving.live import Live
from polyscene.serving.queueing import Busy
from polyscene.serving.startup import load_promoted, loader
from polyscene.testing.runs import host_of
from tests.serving.http import served_plugin

ASKED = [Request("books" if n % 2 else "songs", user=f"u{n:02}", k=4) for n in range(10)]


@pytest.fixture(scope="module")
def live(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("batching")
    config = ServeConfig(run=str(runs[0]), deployment=str(folder / "deployment"), device="cpu", texts=False)
    deployment = Deployment(config.deployment)
    load = loader(deployment, config, host_of(served_plugin), Plan())
    log = open_log(str(folder / "feedback.db"))
    yield Live(load_promoted(deployment, config, load, print), deployment, log)
    log.close()


async def _together(live: Live, requests: Sequence[Request]) -> list[Any]:
    """What comes of requests that all wait while the model is busy."""
    batcher, let = Batcher(live, room=100, most=64), threading.Event()
    busy = asyncio.ensure_future(batcher.do(lambda _: let.wait(10)))
    asked = [asyncio.ensure_future(batcher.ask(request)) for request in requests]
    await asyncio.sleep(0.05)
    let.set()
    await busy
    found = await asyncio.gather(*asked, return_exceptions=True)
    batcher.close()
    return [one if isinstance(one, Exception) else one[0] for one in found]


def test_mixed_scenarios_share_one_call(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [live.engine.answer([request])[0] for request in ASKED]
    sizes, answer = [], live.engine.answer

    def counted(requests: Sequence[Request], **options: Any) -> list[Any]:
        sizes.append(len(requests))
        return answer(requests, **options)

    monkeypatch.setattr(live.engine, "answer", counted)
    found = asyncio.run(_together(live, ASKED))
    assert sizes == [10]
    assert [one.items for one in found] == [one.items for one in alone]


def test_a_request_that_breaks_the_model_breaks_no_other(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = live.engine.answer

    def breaking(requests: Sequence[Request], **options: Any) -> list[Any]:
        if any(request.user == "u03" for request in requests):
            raise ZeroDivisionError
        return answer(requests, **options)

    monkeypatch.setattr(live.engine, "answer", breaking)
    found = asyncio.run(_together(live, [*ASKED, Request("nowhere")]))
    assert isinstance(found[3], ZeroDivisionError)
    assert isinstance(found[10], ServingError)
    assert all(len(one.items) == 4 for place, one in enumerate(found) if place not in (3, 10))


def test_a_full_queue_has_room_for_another_version(live: Live) -> None:
    async def exchange() -> tuple[Any, ...]:
        batcher, let, begun = Batcher(live, room=1, most=64), threading.Event(), threading.Event()
        busy = asyncio.ensure_future(batcher.do(lambda _: (begun.set(), let.wait(10))))
        await asyncio.to_thread(begun.wait, 10)
        waiting = asyncio.ensure_future(batcher.ask(ASKED[0]))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await batcher.ask(ASKED[1])
        exchanged = asyncio.ensure_future(batcher.exchange(live))
        let.set()
        found = await asyncio.gather(busy, waiting, exchanged)
        batcher.close()
        return tuple(found)

    assert asyncio.run(exchange())[2] is None


def test_an_event_that_cannot_be_followed_stops_no_answer(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(events: object) -> int:
        raise ZeroDivisionError("a fault of ours")

    with monkeypatch.context() as patched:
        patched.setattr(live.engine, "observe", broken)
        live.log.append([Reaction("e1", 1.7e9, "books", "zoe", "i01", "click")])
        [found] = asyncio.run(_together(live, ASKED[:1]))
        assert len(found.items) == 4
        assert "a fault of ours" in live.trouble
    live._retry_at = 0.0
    [known] = asyncio.run(_together(live, [Request("books", user="zoe", k=1)]))
    assert known.user_known
    assert live.trouble == ""
