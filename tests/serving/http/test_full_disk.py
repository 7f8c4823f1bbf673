"""A disk that is full under a running server: answers go on and say so, nothing is half-kept, room heals it."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from polyscene.errors import FeedbackError, ServingError
from polyscene.serving.client import Client
from polyscene.serving.deployment import Deployment
from tests.serving.http.server import Server, until

Serve = Callable[..., Server]
CLICK = {"kind": "click", "scenario": "books", "user": "zoe", "item": "i01"}
FRESH = {"item_id": "fresh", "text": "generated jazz", "title": "Fresh", "group": "group 0", "price": 5.0}


class Disk:
    """A folder whose disk can be filled up, and emptied again."""

    folder: Path

    def fill(self, server: Server) -> None:
        """Leave no room."""
        raise NotImplementedError

    def free(self, server: Server) -> None:
        """Make room."""
        raise NotImplementedError


class SmallDisk(Disk):
    """A file system in memory, full of another file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, server: Server) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)
        assert shutil.disk_usage(self.folder).free == 0

    def free(self, server: Server) -> None:
        (self.folder / "filler").unlink()


class NoLongerFiles(Disk):
    """The system lets the server make no file longer (``ulimit -f``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, server: Server) -> None:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def free(self, server: Server) -> None:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of its own where this user may make one, else a limit."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield NoLongerFiles(folder)
        return
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(disk: Disk, serve: Serve, runs: tuple[Path, Path]) -> None:
    server = serve(f"run={runs[0]}", "texts=false", deployment=disk.folder / "deployment")
    deployment = Deployment(server.deployment)
    second = deployment.adopt(runs[1], by="test")
    with server.client() as client:
        client.ready()
    with Client(server.url, timeout=60) as client:  # which does not try again what is refused
        first = client.models().serving
        client.feedback([CLICK | {"event_id": "before"}])

        disk.fill(server)
        refused = httpx2.post(f"{server.url}/v1/feedback", json={"events": [CLICK | {"event_id": "during"}]})
        assert (refused.status_code, refused.json()["error"]["kind"]) == (503, "feedback_log")
        assert "nothing was half-written" in refused.json()["error"]["fix"]
        assert int(refused.headers["Retry-After"]) >= 1
        shown = client.recommend("books", user="u01", k=3)
        assert len(shown.items) == 3
        assert shown.impression is None
        assert shown.degraded[0].startswith("the impression is not logged: ")
        for ask in (lambda: client.put_items("books", [FRESH]), lambda: client.promote(second)):
            with pytest.raises(ServingError, match="cannot write"):
                ask()
        with pytest.raises(FeedbackError):
            client.erase_user("zoe")
        assert client.recommend("songs", user="u02", k=3).model == client.models().serving == first
        assert 'polyscene_refused_requests_total{reason="feedback_log"} 2.0' in client.metrics()
        assert 'polyscene_answers_total{logged="no",scenario="books",user="known"} 1.0' in client.metrics()

        disk.free(server)
        # An item that could not be kept is not served on: the model is loaded anew.
        until(lambda: client.score("books", ["fresh"], user="u01").unknown_items == ["fresh"])
        client.feedback([CLICK | {"event_id": "during"}])
        assert client.put_items("books", [FRESH]).new == 1
        assert client.promote(second).serving == second
        assert client.recommend("books", user="u01", k=3).degraded == []
        kept = [event["event_id"] for event in client.export_user("zoe").events]
        assert kept == ["before", "during"]
        _without_a_promotion(client, deployment)
    server.kill()
    for name in ("audit.jsonl", "items.jsonl"):
        lines = (server.deployment / name).read_text().splitlines()
        assert [json.loads(line) for line in lines]
    promoted = deployment.promoted()
    assert promoted is not None
    assert promoted.version == second
    assert promoted.time <= time.time()
    assert not [one for one in deployment.audit.entries() if one["action"] == "erase"]


def _without_a_promotion(client: Client, deployment: Deployment) -> None:
    """``promoted.json`` is damaged under the server: it says so, goes on, and takes a promotion that is whole."""
    path, serving = deployment.folder / "promoted.json", client.models().serving
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    until(lambda: client.ready().status == "degraded")
    assert "promoted.json" not in client.ready().problems[0]
    assert client.recommend("books", user="u01", k=3).model == serving
    with pytest.raises(ServingError, match="the file is damaged"):
        client.models()
    path.write_bytes(whole)
    client.roll_back()
    assert client.ready().status == "ok"
    client.promote(serving)


def test_a_deployment_that_is_gone(serve: Serve, runs: tuple[Path, Path]) -> None:
    server = serve(f"run={runs[0]}", "texts=false")
    with server.client() as client:
        client.ready()
    with Client(server.url, timeout=60) as client:  # which does not try again what is refused
        serving = client.models().serving
        shutil.rmtree(server.deployment)
        shown = client.recommend("books", user="u01", k=3)
        assert (len(shown.items), shown.model) == (3, serving)
        assert shown.degraded
        assert client.ready().status == "degraded"
        refused = httpx2.post(f"{server.url}/v1/feedback", json={"events": [CLICK]})
        assert (refused.status_code, refused.json()["error"]["kind"]) == (503, "feedback_log")
        for ask in (lambda: client.promote(serving), client.roll_back, lambda: client.put_items("books", [FRESH])):
            with pytest.raises(ServingError):
                ask()
        assert client.recommend("books", user="u01", k=3).model == serving
        assert client.score("books", ["fresh"], user="u01").unknown_items == ["fresh"]
    assert server.stop() == 0
    assert "Traceback" not in "".join(server.said)
