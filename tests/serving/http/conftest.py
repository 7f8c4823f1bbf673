"""Trained runs, a deployment of them, and one real server for all tests of a session."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from polyscene.serving.client import Client
from polyscene.testing.runs import host_of, short_config
from polyscene.training.run import train
from tests.once import Once
from tests.serving.http import served_plugin
from tests.serving.http.server import Server, write_site


@pytest.fixture(scope="session")
def runs(small_backbone: Path, once: Once) -> tuple[Path, Path]:
    """Two runs of both scenarios, with different seeds."""
    host, scenarios = host_of(served_plugin), {"books": {}, "songs": {}}

    def make(folder: Path) -> None:
        given = (f"backbone.model={small_backbone}", f"data.cache={folder / 'cache'}", "router=recognition")
        for seed in (0, 1):
            train(short_config(host, scenarios, *given, f"seed={seed}", run=folder / f"run-{seed}"), host)

    folder = once("served", make)
    return folder / "run-0", folder / "run-1"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that makes a process know the plugin of these tests."""
    return write_site(tmp_path_factory.mktemp("site") / "packages")


@pytest.fixture(scope="session")
def server(runs: tuple[Path, Path], site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the first run, for tests that leave it as it was."""
    started = Server(site, tmp_path_factory.mktemp("shared") / "deployment", f"run={runs[0]}", "limits.seconds=1")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[Client]:
    with server.client() as opened:
        opened.ready()
        yield opened


@pytest.fixture
def serve(site: Path, runs: tuple[Path, Path], tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """``serve(arguments..., NAME=VALUE...)`` starts a server of a deployment of its own, with more environment.

    Again, and it is the same deployment.
    """
    started: list[Server] = []

    def start(*arguments: str, deployment: Path | None = None, **environment: str) -> Server:
        started.append(Server(site, deployment or tmp_path / "deployment", *arguments, environment=environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()
    shutil.rmtree(tmp_path / "deployment", ignore_errors=True)
