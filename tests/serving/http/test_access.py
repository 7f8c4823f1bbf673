"""Who is refused is counted, and no log tells whom a request was about: the whole application, in this process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from polyscene.feedback import FeedbackLog
from polyscene.serving.app import create_app
from polyscene.serving.config import LimitsConfig, ServeConfig
from polyscene.serving.keys import KeyFile
from polyscene.serving.loading import Starter
from polyscene.serving.service import Service
from polyscene.testing.runs import host_of
from tests.serving.http import served_plugin

SECRET_USER = "Rumpelstiltskin"


@pytest.fixture(scope="module")
def service(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("access") / "deployment"
    config = ServeConfig(
        run=str(runs[0]), deployment=str(folder), device="cpu", texts=False, limits=LimitsConfig(rate=1, burst=12)
    )
    made = Starter(config, host_of(served_plugin), print).service()
    made.open()
    yield made
    made.close()


@pytest.fixture(scope="module")
def keys(service: Service) -> dict[str, str]:
    file = KeyFile(service.deployment.folder / "keys.json")
    scopes = ("recommend", "feedback", "admin")
    return {scope: file.new([scope], name=scope)[0] for scope in scopes} | {
        "often": file.new(["recommend"], name="often")[0]
    }


@pytest.fixture(scope="module")
def client(service: Service, keys: dict[str, str]) -> Iterator[TestClient]:
    app = create_app(service, KeyFile(service.deployment.folder / "keys.json"))
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


def _as(secret: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {secret}"}}


def _refused(service: Service, reason: str) -> float:
    name = "polyscene_refused_requests_total"
    return service.metrics.registry.get_sample_value(name, {"reason": reason}) or 0.0


def test_wrong_keys_and_missing_scopes_are_refused_and_counted(
    client: TestClient, service: Service, keys: dict[str, str]
) -> None:
    body = {"json": {"scenario": "books", "user": "u01", "k": 2}}
    for options, status, reason in (
        ({}, 401, "no_key"),
        (_as("ps_wrong"), 401, "wrong_key"),
        (_as(keys["feedback"]), 403, "scope"),
    ):
        before = _refused(service, reason)
        answer = client.post("/v1/recommend", **body, **options)
        assert (answer.status_code, answer.json()["error"]["kind"]) == (status, reason)
        assert _refused(service, reason) == before + 1
    assert client.post("/v1/recommend", **body, **_as(keys["recommend"])).status_code == 200


def test_who_asks_too_often_is_told_when_to_come_back_and_counted(
    client: TestClient, service: Service, keys: dict[str, str]
) -> None:
    answers = [client.get("/v1/scenarios", **_as(keys["often"])) for _ in range(14)]
    refused = [one for one in answers if one.status_code != 200]
    assert 1 <= len(refused) <= 2
    for one in refused:
        assert (one.status_code, one.json()["error"]["kind"], one.headers["Retry-After"]) == (429, "rate", "1")
    assert _refused(service, "rate") == len(refused)
    assert client.get("/v1/scenarios", **_as(keys["recommend"])).status_code == 200


def test_a_failure_is_logged_without_the_user_and_told_without_a_trace(
    client: TestClient,
    service: Service,
    keys: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(user: str) -> list[Any]:
        raise ZeroDivisionError

    monkeypatch.setattr(service.log, "export", broken)
    with caplog.at_level(logging.DEBUG):
        answer = client.get(f"/v1/users/{SECRET_USER}", **_as(keys["admin"]))
    assert (answer.status_code, answer.json()["error"]["kind"]) == (500, "internal")
    assert "ZeroDivision" not in answer.text
    ours = [one for one in caplog.records if not one.name.startswith("httpx")]  # the client tells of itself
    [record] = [one for one in ours if "a request failed" in one.getMessage()]
    assert "/v1/users/{user}" in record.getMessage()
    assert not [one for one in ours if SECRET_USER in one.getMessage()]
    assert SECRET_USER not in service.metrics.text().decode()


def test_nothing_is_acknowledged_before_it_is_on_disk(
    client: TestClient, service: Service, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    append, begun, let = service.log.append, threading.Event(), threading.Event()

    def slow(events: Any) -> Any:
        begun.set()
        assert let.wait(30)
        return append(events)

    log: FeedbackLog = service.log
    monkeypatch.setattr(log, "append", slow)
    answers: list[Any] = []
    event = {"event_id": "e1", "kind": "click", "scenario": "books", "user": "zoe", "item": "i01"}

    def send() -> None:
        answers.append(client.post("/v1/feedback", json={"events": [event]}, **_as(keys["feedback"])))

    sending = threading.Thread(target=send)
    sending.start()
    assert begun.wait(30)
    sending.join(0.2)
    assert answers == []
    assert log.export("zoe") == []
    let.set()
    sending.join(30)
    assert answers[0].json() == {"event_ids": ["e1"]}
    assert [one.event.event_id for one in log.export("zoe")] == ["e1"]
