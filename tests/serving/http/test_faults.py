"""A locked log, a flood, several workers and one that dies: degraded answers with a reason, and nothing lost."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from polyscene.errors import FeedbackError, ServingError
from polyscene.serving.client import Client
from tests.serving.http.server import Server, until

Serve = Callable[..., Server]
CLICK = {"kind": "click", "scenario": "books", "user": "zoe", "item": "i01"}


def test_a_locked_log_and_a_flood(serve: Serve, runs: tuple[Path, Path]) -> None:
    server = serve(f"run={runs[0]}", "limits.waiting=1", "limits.events=5", "limits.rate=0", "texts=false")
    with server.client() as client:
        client.ready()
    with server.client() as client, closing(sqlite3.connect(server.deployment / "feedback.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        shown = client.recommend("books", user="u01", k=3)
        assert len(shown.items) == 3
        assert shown.degraded == ["the impression is not on disk yet: the feedback log is slow"]
        refused = httpx2.post(f"{server.url}/v1/feedback", json={"events": [CLICK]}, timeout=30)
        assert (refused.status_code, refused.json()["error"]["kind"]) == (503, "feedback_log")
        assert int(refused.headers["Retry-After"]) >= 1
        other.rollback()
        client.feedback([CLICK])
        assert client.recommend("books", user="u01", k=3).degraded == []
        assert [event["kind"] for event in client.export_user("zoe").events] == ["click"]

        with pytest.raises(ServingError, match="too much waits for the feedback log"):
            Client(server.url).feedback([CLICK] * 6)
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(12) as pool:
            flood = [pool.submit(_send, server, f"flood-{number}") for number in range(12)]
            assert len(client.recommend("books", user="u01", k=3).items) == 3
            assert "polyscene_waiting_requests 0.0" in client.metrics()
            other.rollback()
            sent = dict(one.result() for one in flood)
        assert set(sent.values()) == {200, 503}
        kept = {event["event_id"].rpartition("-")[0] for event in client.export_user("flood").events}
        assert {name for name, status in sent.items() if status == 200} <= kept

    body = {"scenario": "songs", "user": "u02", "k": 3}
    with httpx2.Client(base_url=server.url, timeout=60) as raw, ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: raw.post("/v1/recommend", json=body), range(120)))
    counted = Counter(answer.status_code for answer in answers)
    assert set(counted) == {200, 503}, counted
    for answer in answers:
        if answer.status_code == 503:
            assert answer.json()["error"]["kind"] == "busy"
            assert answer.headers["Retry-After"] == "1"
    with server.client() as client:
        assert len(client.recommend("songs", user="u02", k=3).items) == 3
    assert server.stop() == 0


def test_workers_agree_and_one_that_dies_is_replaced(serve: Serve, runs: tuple[Path, Path]) -> None:
    server = serve(f"run={runs[0]}", "workers=2", "texts=false")

    def ask() -> tuple[bool, list[str]]:
        with server.client() as client:  # a connection of its own, so that either worker may answer
            known = client.recommend("books", user="zoe", k=3).user_known
            return known, client.score("books", ["fresh"], user="zoe").unknown_items

    with server.client() as client:
        assert ask() == (False, ["fresh"])
        client.feedback([CLICK])
        row = {"item_id": "fresh", "text": "generated jazz", "title": "Fresh", "group": "group 0", "price": 5.0}
        client.put_items("books", [row])
        assert [ask() for _ in range(8)] == [(True, [])] * 8
        (first,) = server.children()
        client.erase_user("zoe")
        until(lambda: not any(ask()[0] for _ in range(6)))

    # Others have taken the place of those who knew zoe.
    until(lambda: len(server.children()) == 1 and first not in server.children())
    (leader,) = server.children()
    workers = server.children(leader)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    until(lambda: "another takes its place" in "".join(server.said))
    assert [ask()[1] for _ in range(6)] == [[]] * 6
    with server.client() as client:
        until(lambda: f'polyscene_model{{version="{client.models().serving}"}} 2.0' in client.metrics())

        os.kill(leader, signal.SIGKILL)
        until(lambda: "others take their place" in "".join(server.said))
        assert [ask()[1] for _ in range(6)] == [[]] * 6
        until(lambda: f'polyscene_model{{version="{client.models().serving}"}} 2.0' in client.metrics())
    (leader,) = server.children()
    workers = server.children(leader)
    server.kill()
    until(lambda: not any(map(_alive, (leader, *workers))))


def test_an_answer_without_a_log_says_so(serve: Serve, runs: tuple[Path, Path]) -> None:
    with pytest.raises(AssertionError, match="did not start") as failed:
        serve(f"run={runs[0]}", "feedback=/nowhere/at/all/feedback.db")
    assert "Error" in str(failed.value)
    assert "Traceback" not in str(failed.value)
    assert FeedbackError.__name__ not in str(failed.value)


def _send(server: Server, name: str) -> tuple[str, int]:
    """Two events, and what the server says to them."""
    events = [CLICK | {"user": "flood", "event_id": f"{name}-{number}"} for number in range(2)]
    answer = httpx2.post(f"{server.url}/v1/feedback", json={"events": events}, timeout=60)
    if answer.status_code == 503:
        assert int(answer.headers["Retry-After"]) >= 1
    return name, answer.status_code


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
