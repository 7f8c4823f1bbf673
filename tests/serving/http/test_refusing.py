"""Wrong bodies, paths, hosts and methods are refused, always with the same body and never with a traceback."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import httpx2
import pytest

from polyscene.serving.client import Client
from tests.serving.http.server import Server

JSON = {"content-type": "application/json"}
ASK = b'{"scenario": "books"}'


@pytest.fixture(scope="module")
def raw(server: Server, client: Client) -> httpx2.Client:
    return httpx2.Client(base_url=server.url)


def refused(server: Server, reason: str) -> float:
    with server.client() as client:
        lines = client.metrics().splitlines()
    found = [line for line in lines if line.startswith(f'polyscene_refused_requests_total{{reason="{reason}"}}')]
    return float(found[0].split()[-1]) if found else 0.0


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "kind"),
    [
        ("POST", "/v1/recommend", b"{", JSON, 422, "invalid"),
        ("POST", "/v1/recommend", b"\xff\xfe", JSON, 422, "invalid"),
        ("POST", "/v1/recommend", b"[" * 100_000, JSON, 400, "malformed"),
        ("POST", "/v1/recommend", b'{"k": 1e999}', JSON, 422, "invalid"),
        ("POST", "/v1/recommend", b'{"k": 0}', JSON, 422, "invalid"),
        ("POST", "/v1/recommend", b'{"kk": 1}', JSON, 422, "invalid"),
        ("POST", "/v1/recommend", b'{"user": "a\\u0000b"}', JSON, 422, "invalid"),
        ("POST", "/v1/recommend", b'{"user": "\\ud800"}', JSON, 422, "invalid"),
        ("POST", "/v1/recommend", b'{"history": [{"item": "i1", "value": NaN}]}', JSON, 422, "invalid"),
        ("POST", "/v1/recommend", b"", JSON, 422, "invalid"),
        ("POST", "/v1/recommend", ASK, {"content-type": "text/plain"}, 415, "content_type"),
        ("POST", "/v1/recommend", ASK, {}, 415, "content_type"),
        ("POST", "/v1/recommend", b" " * 1_000_001, JSON, 413, "too_large"),
        ("GET", "/v1/recommend", b"", {}, 405, "method"),
        ("GET", "/v1/nothing", b"", {}, 404, "not_found"),
        ("GET", "/v1/users/%2e%2e%2f%2e%2e%2fetc%2fpasswd", b"", {}, 404, "path"),
        ("GET", "/v1/users/a%00b", b"", {}, 404, "path"),
        ("GET", "/v1//scenarios", b"", {}, 404, "path"),
        ("GET", "/v1/scenarios", b"", {"host": "elsewhere.example"}, 421, "host"),
        ("GET", "/v1/users/" + "u" * 300, b"", {}, 422, "invalid"),
        ("POST", "/v1/models/promote", b'{"version": "../../etc"}', JSON, 409, "version"),
        ("POST", "/v1/models/rollback", b"{}", JSON, 409, "version"),
    ],
)
def test_refusals(
    method: str,
    path: str,
    body: bytes,
    headers: dict,
    status: int,
    *,
    kind: str,
    raw: httpx2.Client,
    server: Server,
) -> None:
    before = refused(server, kind)
    response = raw.request(method, path, content=body, headers=headers)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"what", "where", "fix", "kind"}
    assert error["kind"] == kind
    assert error["what"]
    assert "Traceback" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert refused(server, kind) == before + 1


def test_a_path_with_dots_is_refused_before_it_is_resolved(server: Server, client: Client) -> None:
    """Sent by hand, since clients tidy such paths up."""
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(b"GET /v1/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 404")
    assert json.loads(body)["error"]["kind"] == "path"


def test_all_mistakes_are_told_at_once_and_nothing_is_repeated(raw: httpx2.Client) -> None:
    body = {"scenario": 7, "k": "secret-text", "filters": []}
    what = raw.post("/v1/recommend", json=body).json()["error"]["what"]
    assert all(f"body.{key}" in what for key in body)
    assert "secret-text" not in what


@pytest.mark.parametrize(
    ("header", "parts"),
    [("Content-Length: 1000001", 0), ("Transfer-Encoding: chunked", 11)],
    ids=["announced and not sent", "sent without saying how much"],
)
def test_more_than_is_allowed_is_refused_as_soon_as_it_is_seen(server: Server, header: str, parts: int) -> None:
    """Long before a sender who is slow would be told so, and whatever is still to come."""
    place, before = urlsplit(server.url), refused(server, "too_large")
    head = f"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{header}\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (100_000, b" " * 100_000)
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        connection.sendall(head.encode())
        for _ in range(parts):
            connection.sendall(chunk)
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    assert refused(server, "too_large") == before + 1


def test_a_body_that_does_not_come_is_not_waited_for(server: Server, client: Client) -> None:
    """Others are answered meanwhile, and the sender is told."""
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        connection.sendall(
            b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        assert client.ready().status == "ok"
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
