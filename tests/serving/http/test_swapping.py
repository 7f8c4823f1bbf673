"""Another version takes over while requests come in, one that cannot be loaded does not, a restart knows all."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from polyscene.errors import ServingError
from polyscene.serving.client import Client
from polyscene.serving.deployment import Deployment
from tests.serving.http.server import Server, until

Serve = Callable[..., Server]


class Load:
    """Threads that ask until they are stopped, and count what went wrong.

    Some ask without a pause; others rest on their connection, and leave it when they are told that it closes.
    """

    def __init__(self, server: Server, threads: int = 3) -> None:
        self.failures: list[str] = []
        self.versions: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(server, n)) for n in range(threads)]
        self._threads += [threading.Thread(target=self._rest, args=(server,)) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, server: Server, number: int) -> None:
        with Client(server.url, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    shown = client.recommend("books" if number % 2 else "songs", user="u01", k=3)
                    self.versions.append(shown.model)
                    if shown.degraded or len(shown.items) != 3:
                        self.failures.append(f"{shown.degraded}, {len(shown.items)} items")
                except Exception as error:  # whatever it is: a thread that ends would count nothing more
                    self.failures.append(repr(error))

    def _rest(self, server: Server) -> None:
        while not self._stop.is_set():
            with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)) as connection:
                closes = False
                while not closes and not self._stop.wait(0.3):
                    try:
                        connection.request("GET", "/healthz")
                        answer = connection.getresponse()
                        answer.read()
                        closes = answer.getheader("connection") == "close"
                    except (OSError, http.client.HTTPException) as error:
                        self.failures.append(f"resting: {error!r}")
                        break


@pytest.mark.parametrize("workers", [1, 2])
def test_versions_change_under_load_and_outlive_a_crash(
    workers: int, serve: Serve, runs: tuple[Path, Path]
) -> None:
    server = serve(f"run={runs[0]}", "limits.rate=0", "texts=false", f"workers={workers}")
    deployment = Deployment(server.deployment)
    first, second = deployment.versions()[0], deployment.adopt(runs[1], by="test")
    with server.client() as client:
        row = {"item_id": "fresh", "text": "generated jazz", "title": "Fresh", "group": "group 0", "price": 5.0}
        client.put_items("books", [row])
        client.feedback([{"kind": "click", "scenario": "books", "user": "zoe", "item": "fresh"}])
        with Load(server) as load:
            assert client.promote(second, why="better").serving == second
            broken = _broken(deployment, runs[1])
            with pytest.raises(ServingError, match=f"version '{second}' goes on serving"):
                client.promote(broken)
            # Workers who are being relieved may still have a connection.
            until(lambda: client.recommend("songs", user="u02", k=1).model == second, 5 if workers > 1 else 0)
            # By hand, as another process does it: the server follows.
            deployment.roll_back(by="test")
            until(lambda: client.models().serving == first)
            deployment.promote(broken, by="test")
            until(lambda: "cannot be loaded" in str(client.ready().problems))
            assert client.ready().model == first
            client.promote(second)
            assert client.ready().problems == []
        assert load.failures == []
        assert {first, second} == set(load.versions)
        assert not any("broken" in version for version in load.versions)
    server.kill()

    actions = [
        (entry["action"], entry["version"]) for entry in deployment.audit.entries() if entry["action"] != "adopt"
    ]
    assert actions == [
        ("promote", first),
        ("promote", second),
        ("refuse", broken),
        ("roll back", first),
        ("promote", broken),
        ("promote", second),
    ]
    # The model's own folder goes as well: the version before it serves, and says so.
    again = serve("texts=false", f"workers={workers}")
    with again.client() as client:
        assert client.models().serving == second
        assert client.score("books", ["fresh"], user="u01").unknown_items == []
        assert client.recommend("books", user="zoe", k=3).user_known
        assert [event["kind"] for event in client.export_user("zoe").events] == ["click", "impression"]
        shutil.rmtree(deployment.folder / "versions" / second)
        assert client.recommend("books", user="zoe", k=3).model == second, "what is loaded goes on"
        with pytest.raises(ServingError, match="there is no version"):
            client.promote(second)
    assert again.stop() == 0
    third = serve("texts=false", f"workers={workers}")
    assert f"Going on with version '{first}', which was promoted before it." in "".join(third.said)
    with third.client() as client:
        assert client.recommend("books", user="zoe", k=1).model == first


def _broken(deployment: Deployment, run: Path) -> str:
    """A version whose weights are cut off, as a copy that was interrupted leaves them."""
    copy = deployment.folder.parent / "broken"
    shutil.copytree(run, copy)
    weights = copy / "checkpoints" / "joint" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return deployment.adopt(copy, by="test")


def test_the_audit_log_is_json_lines(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.audit.note("erase", by="ann", events=3)
    [line] = (tmp_path / "audit.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert (entry["action"], entry["by"], entry["events"]) == ("erase", "ann", 3)
    assert abs(entry["time"] - time.time()) < 60
