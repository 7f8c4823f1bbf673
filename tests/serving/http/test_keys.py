"""Keys and scopes, over the routes as they are, without a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from polyscene.errors import ConfigError
from polyscene.serving.access import Access
from polyscene.serving.app import bare_app
from polyscene.serving.config import ServeConfig
from polyscene.serving.keys import KeyFile
from polyscene.serving.limits import RateLimit
from polyscene.serving.problems import Refusal
from polyscene.serving.startup import keys_path


@pytest.fixture
def keys(tmp_path: Path) -> tuple[KeyFile, dict[str, str]]:
    file = KeyFile(tmp_path / "keys.json")
    return file, {scope: file.new([scope], name=scope)[0] for scope in ("recommend", "feedback", "admin")}


NEEDED = {
    ("post", "/v1/recommend"): "recommend",
    ("post", "/v1/similar"): "recommend",
    ("post", "/v1/score"): "recommend",
    ("post", "/v1/beside"): "recommend",
    ("post", "/v1/history"): "admin",
    ("get", "/v1/scenarios"): "recommend",
    ("post", "/v1/feedback"): "feedback",
    ("post", "/v1/items"): "admin",
    ("get", "/v1/experiments"): "admin",
    ("get", "/v1/models"): "admin",
    ("post", "/v1/models/promote"): "admin",
    ("post", "/v1/models/rollback"): "admin",
    ("get", "/v1/users/{user}"): "admin",
    ("delete", "/v1/users/{user}"): "admin",
}


class Answers:
    """Stands in for the service where only admission is tested: whoever gets here was let in."""

    def __getattr__(self, name: str) -> Any:
        raise Refusal(418, "let_in", name)


@pytest.fixture
def asked(keys: tuple[KeyFile, dict[str, str]]) -> Iterator[TestClient]:
    app = bare_app()
    app.state.access = Access(keys[0], RateLimit(0, 1))
    app.state.service = Answers()

    async def refuse(_: Any, error: Refusal) -> Any:
        return error.response()

    app.add_exception_handler(Refusal, refuse)  # type: ignore[arg-type]
    with TestClient(app) as client:
        yield client


BODIES = {
    "/v1/recommend": {},
    "/v1/similar": {"scenario": "s", "item": "i"},
    "/v1/score": {"items": ["i"]},
    "/v1/beside": {},
    "/v1/history": {"scenario": "s", "user": "u"},
    "/v1/feedback": {"events": [{"kind": "click", "scenario": "s", "user": "u", "item": "i"}]},
    "/v1/items": {"scenario": "s", "rows": [{"item_id": "i"}]},
    "/v1/models/promote": {"version": "v"},
    "/v1/models/rollback": {},
}


@pytest.mark.parametrize(("method", "path"), NEEDED)
def test_each_route_needs_its_scope(
    method: str, path: str, asked: TestClient, keys: tuple[KeyFile, dict[str, str]]
) -> None:
    def status(secret: str | None) -> int:
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        return asked.request(
            method.upper(), path.replace("{user}", "u"), json=BODIES.get(path), headers=headers
        ).status_code

    assert status(None) == 401
    assert status("ps_wrong") == 401
    for scope, secret in keys[1].items():
        assert status(secret) == (418 if scope == NEEDED[method, path] else 403), scope


def test_no_route_is_open_by_mistake() -> None:
    described = {
        (method, path): one
        for path, methods in bare_app().openapi()["paths"].items()
        for method, one in methods.items()
    }
    free = {pair for pair, one in described.items() if "security" not in one}
    assert free == {("get", "/healthz"), ("get", "/readyz")}
    assert described.keys() - free == {*NEEDED, ("get", "/metrics")}


def test_a_revoked_key_opens_nothing_and_says_how_to_come_in(keys: tuple[KeyFile, dict[str, str]]) -> None:
    file, secrets = keys
    access = Access(file, RateLimit(0, 1))
    assert access.admit(secrets["admin"], "admin").name == "admin"
    file.revoke("admin")
    with pytest.raises(Refusal) as refused:
        access.admit(secrets["admin"], "admin")
    assert (refused.value.status, refused.value.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_caller_who_asks_too_often_waits_and_others_do_not(keys: tuple[KeyFile, dict[str, str]]) -> None:
    file, secrets = keys
    access = Access(file, RateLimit(0.5, 2))
    for _ in range(2):
        access.admit(secrets["recommend"], "recommend")
    with pytest.raises(Refusal, match="too many requests") as refused:
        access.admit(secrets["recommend"], "recommend")
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "2"})
    access.admit(secrets["feedback"], "feedback")


def test_without_keys_only_this_machine_is_served(tmp_path: Path) -> None:
    near = ServeConfig(deployment=str(tmp_path))
    assert keys_path(near) is None
    far = ServeConfig(deployment=str(tmp_path), host="0.0.0.0")
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        keys_path(far)
    KeyFile(tmp_path / "keys.json").new(["recommend"])
    assert keys_path(far) == tmp_path / "keys.json"
