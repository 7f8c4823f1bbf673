"""A version that served is freed when another takes over in its process, and processes share tensors."""

from __future__ import annotations

import asyncio
import weakref
from functools import partial
from pathlib import Path

import pytest

from polyscene.errors import CheckpointError
from polyscene.serving import startup
from polyscene.serving.arrivals import Arrivals
from polyscene.serving.config import ServeConfig
from polyscene.serving.control import Control, Wish
from polyscene.serving.engine import Answer, Engine, Request
from polyscene.serving.loading import Starter
from polyscene.serving.sharing import share_tensors
from polyscene.testing.runs import host_of
from tests.serving.http import served_plugin


@pytest.mark.parametrize("workers", [1, 2])
def test_versions_that_served_are_freed(
    workers: int, runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "share_tensors", partial(share_tensors, least=64))
    config = ServeConfig(
        run=str(runs[0]), deployment=str(tmp_path / "deployment"), device="cpu", texts=False, workers=workers
    )
    service = Starter(config, host_of(served_plugin), print).service()
    service.open()
    served: list[weakref.ref[Engine]] = []

    async def exchange() -> None:
        for run in (runs[1], runs[0], runs[1]):
            served.append(weakref.ref(service.live.engine))
            await service.versions.promote(service.deployment.adopt(run, by="test"), by="test")

    try:
        asyncio.run(exchange())
        assert [one() for one in served] == [None, None, None]
        assert service.live.engine.version == service.deployment.adopt(runs[1], by="test")
    finally:
        service.close()
    folder = service.deployment.folder / startup.SHARED
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    assert names == (set(service.deployment.versions()) if workers > 1 else set())


def test_what_cannot_be_shared_is_served_all_the_same(
    runs: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "share_tensors", partial(share_tensors, least=64))
    (tmp_path / startup.SHARED).write_text("in the way")
    config = ServeConfig(run=str(runs[0]), deployment=str(tmp_path), device="cpu", texts=False, workers=2)
    service = Starter(config, host_of(served_plugin), print).service()
    service.open()
    try:
        (answer,) = service.live.engine.answer([Request("books", k=3)])
        assert isinstance(answer, Answer)
        assert len(answer.items) == 3
    finally:
        service.close()
    assert "workers hold tensors of their own" in caplog.text


def test_a_worker_that_knows_an_item_that_could_not_be_kept_wishes_to_be_relieved(
    runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ServeConfig(run=str(runs[0]), deployment=str(tmp_path), device="cpu", texts=False, workers=2)
    control = Control(tmp_path / "control")
    service = Starter(config, host_of(served_plugin), print).service(control)
    service.open()
    assert service.versions.serving == service.live.engine.version

    async def wishes(seconds: float) -> list[Wish]:
        watching = asyncio.create_task(service.versions.watch())
        await asyncio.sleep(seconds)
        watching.cancel()
        return [wish for _, wish in control.wishes()]

    def full(*_: object) -> int:
        raise CheckpointError("no space left", where="items.jsonl")

    row = {"item_id": "fresh", "text": "generated jazz", "title": "Fresh", "group": "group 0", "price": 5.0}
    try:
        assert asyncio.run(wishes(1.5)) == []
        monkeypatch.setattr(Arrivals, "append", full)
        with pytest.raises(CheckpointError, match="no space left"):
            service.live.put_items("books", [row])
        assert asyncio.run(wishes(1.5)) == [Wish(service.live.engine.version)]
    finally:
        service.close()
