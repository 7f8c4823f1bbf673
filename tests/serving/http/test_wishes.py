"""What becomes of a promotion whose workers, or whoever starts them, are killed before it is answered."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from polyscene.errors import PolysceneError
from polyscene.serving.client import Client
from polyscene.serving.deployment import Deployment
from tests.serving.http.server import Server, until

Serve = Callable[..., Server]
Two = tuple[Server, Deployment, str, str]


@pytest.fixture
def two(serve: Serve, runs: tuple[Path, Path]) -> Two:
    """A server with two workers, and two versions, the first of which serves."""
    server = serve(f"run={runs[0]}", "limits.rate=0", "texts=false", "workers=2")
    deployment = Deployment(server.deployment)
    first = deployment.versions()[0]
    with server.client() as client:
        until(lambda: client.ready().model == first)  # the client below waits for no server
    return server, deployment, first, deployment.adopt(runs[1], by="test")


class Promoting(threading.Thread):
    """Asks a server to promote a version, and keeps what came of it."""

    def __init__(self, server: Server, version: str) -> None:
        super().__init__()
        self.server, self.version = server, version
        self.serving, self.refused = "", ""
        self.start()

    def run(self) -> None:
        with Client(self.server.url, timeout=60) as client:  # which asks once
            try:
                self.serving = client.promote(self.version).serving
            except PolysceneError as error:
                self.refused = str(error)


def _newest(server: Server, before: list[int]) -> int:
    found: set[int] = set()
    end = time.monotonic() + 30
    while not (found := set(server.children()) - set(before)):
        assert time.monotonic() < end
    return found.pop()


def test_a_version_whose_loading_is_killed_is_refused_and_can_be_promoted_again(two: Two) -> None:
    server, _, first, second = two
    before = server.children()
    promoting = Promoting(server, second)
    os.kill(_newest(server, before), signal.SIGKILL)
    promoting.join()
    assert "its workers do not start (signal SIGKILL)" in promoting.refused
    assert f"version '{first}' goes on serving" in promoting.refused
    with server.client() as client:
        assert client.models().promoted == first
        assert client.promote(second).serving == second


def test_what_is_decided_when_its_workers_are_killed_comes_true(two: Two) -> None:
    server, deployment, _, second = two

    def decided() -> bool:
        promoted = deployment.promoted()
        return promoted is not None and promoted.version == second

    before = server.children()
    promoting = Promoting(server, second)
    leader = _newest(server, before)
    while not decided():
        time.sleep(0.002)
    os.kill(leader, signal.SIGKILL)
    promoting.join()
    assert (promoting.serving, promoting.refused) == (second, "")
    assert [entry["action"] for entry in deployment.audit.entries()].count("promote") == 2


def test_who_waits_when_the_service_is_killed_is_told_so(two: Two) -> None:
    server, _, _, second = two
    before = server.children()
    promoting = Promoting(server, second)
    _newest(server, before)
    server.kill()
    promoting.join()
    assert "the server ends before this is answered" in promoting.refused
