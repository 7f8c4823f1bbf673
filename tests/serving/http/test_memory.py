"""A version that served is freed when another takes over, and workers share the tensors of both."""

from __future__ import annotations

import asyncio
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from polyscene.serving import startup
from polyscene.serving.config import ServeConfig
from polyscene.serving.deployment import Deployment
from polyscene.serving.engine import Answer, Engine, Request
from polyscene.serving.live import warm
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


def test_a_process_that_only_forks_lets_go_and_a_late_worker_serves_what_is_promoted_then(
    runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[weakref.ref[Engine]] = []

    def watched(engine: Engine, *rest: Any, **options: Any) -> None:
        loaded.append(weakref.ref(engine))
        warm(engine, *rest, **options)

    monkeypatch.setattr(startup, "warm", watched)
    config = ServeConfig(run=str(runs[0]), deployment=str(tmp_path), device="cpu", texts=False, promote=True)
    starter = Starter(config, host_of(served_plugin), print)
    assert loaded[0]() is not None
    starter.let_go()
    assert [one() for one in loaded] == [None]
    deployment = Deployment(str(tmp_path))
    other = deployment.adopt(runs[1], by="test")
    deployment.promote(other, by="test")
    service = starter.service()
    service.open()
    try:
        assert service.live.engine.version == other != starter.version
    finally:
        service.close()
    promoted = deployment.promoted()
    assert promoted is not None
    assert promoted.version == other
