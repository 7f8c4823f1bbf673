"""A version that served is freed when another takes over, and workers share the tensors of both."""

from __future__ import annotations

import asyncio
import weakref
from functools import partial
from pathlib import Path

import pytest

from polyscene.serving import startup
from polyscene.serving.config import ServeConfig
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
