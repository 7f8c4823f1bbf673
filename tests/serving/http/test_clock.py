"""Clocks: events of any time, and a server whose clock jumps by years."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from polyscene.serving.client import Client
from polyscene.serving.deployment import Deployment
from polyscene.serving.keys import KeyFile
from tests.serving.http.server import Server, until

Serve = Callable[..., Server]
YEAR = 365 * 86_400
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@pytest.mark.parametrize("when", [0.0, 1.0, 4e9, 9.9e10])
def test_events_of_any_time_are_kept_as_they_came_and_break_no_answer(when: float, client: Client) -> None:
    user = f"user-{uuid.uuid4().hex[:8]}"
    for number, moment in enumerate((when, time.time(), when)):
        client.feedback(
            [{"kind": "click", "scenario": "books", "user": user, "item": f"i0{number}", "time": moment}]
        )
    found = client.recommend("books", user=user, k=40)
    assert not {"i00", "i01", "i02"} & {item.item for item in found.items}
    assert all(math.isfinite(item.score) for item in found.items)
    assert [event["time"] for event in client.export_user(user).events][:3:2] == [when, when]


@pytest.mark.parametrize("when", [-1.0, 1e11, 1.7e12])
def test_what_is_no_time_is_refused(when: float, server: Server, client: Client) -> None:
    event = {"kind": "click", "scenario": "books", "user": "ann", "item": "i01", "time": when}
    refused = httpx2.post(f"{server.url}/v1/feedback", json={"events": [event]})
    assert (refused.status_code, refused.json()["error"]["kind"]) == (422, "invalid")
    assert "time" in refused.json()["error"]["what"]


def test_a_clock_that_jumps(serve: Serve, runs: tuple[Path, Path], tmp_path: Path) -> None:
    """By Debian's libfaketime: the wall jumps under a running server, what measures durations does not."""
    if LIBRARY is None:
        pytest.skip("NO FAKETIME: this test needs Debian's package libfaketime")
    jump = tmp_path / "jump"
    jump.write_text("+0")
    deployment = Deployment(tmp_path / "deployment")
    secret, _ = KeyFile(deployment.folder / "keys.json").new(["recommend", "feedback", "admin"], "all")
    brief, _ = KeyFile(deployment.folder / "keys.json").new(["recommend"], "brief", days=30)
    server = serve(
        f"run={runs[0]}",
        "texts=false",
        "limits.rate=20",
        LD_PRELOAD=str(LIBRARY),
        FAKETIME_TIMESTAMP_FILE=str(jump),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    second = deployment.adopt(runs[1], by="test")
    with server.client(key=secret) as client, server.client(key=brief) as short:
        first = client.models().serving
        for number, (years, version) in enumerate([(20, second), (-20, first), (0, second)]):
            jump.write_text(f"{years * YEAR:+d}")
            click = {"kind": "click", "scenario": "books", "user": "zoe", "item": f"i0{number}"}
            client.feedback([click])
            until(lambda: _undegraded(client))
            assert client.promote(version).serving == version
            [*_, kept] = [one for one in client.export_user("zoe").events if one["kind"] == "click"]
            assert kept["time"] == pytest.approx(time.time() + years * YEAR, abs=60)
            # A key is valid until its day by the clock; how often it may ask is no matter of the clock's.
            request = {"headers": {"Authorization": f"Bearer {brief}"}, "json": {"scenario": "books"}}
            answer = httpx2.post(f"{server.url}/v1/recommend", **request)
            assert answer.status_code == (401 if years > 0 else 200), answer.text
        # By hand, as another process does it: the server goes on following.
        deployment.roll_back(by="test")
        until(lambda: client.models().serving == first)
        assert short.recommend("books", user="zoe", k=30).user_known
    assert server.stop() == 0
    assert "Traceback" not in "".join(server.said)


def _undegraded(client: Client) -> bool:
    """Whether an answer is whole. A busy disk may be slow for a moment, and nothing else may be wrong."""
    degraded = client.recommend("books", user="zoe", k=3).degraded
    assert all("log is slow" in reason for reason in degraded)
    return not degraded
