"""The gate that every request goes through: what is too large, too slow or not for us is refused and counted."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyscene.serving.config import LimitsConfig
from polyscene.serving.metrics import Metrics
from polyscene.serving.problems import Refusal, ending, refusal_of

_LOG = logging.getLogger(__name__)

# Parent folders, doubled slashes and characters that mean something to file systems, encoded or not.
_TRICKS = re.compile(rb"(^|/|%2f|\\|%5c)(\.|%2e){1,2}(/|%2f|\\|%5c|$)|//|\\|%5c|%00", re.IGNORECASE)
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
]
UNMATCHED = "unmatched"


class Gate:
    """An ASGI application around another.

    Args:
        app: what answers.
        limits: sizes and times.
        metrics: where requests and refusals are counted.
        hosts: names that requests may call the server by; empty allows all. Without keys this keeps pages of other
            sites from asking in a visitor's name, by a name of theirs that leads here.
    """

    def __init__(self, app: ASGIApp, limits: LimitsConfig, metrics: Metrics, hosts: frozenset[str]) -> None:
        self.app, self.limits, self.metrics, self.hosts = app, limits, metrics, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name for name, _ in message.get("headers", [])}
                added = [pair for pair in _HEADERS if pair[0] not in present]
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        try:
            self._check(scope)
            await self.app(scope, _with_body(await self._body(scope, receive), receive), sending)
        except Exception as error:  # whatever it is: a client gets a body that says so, never a traceback
            refusal = refusal_of(error)
            if refusal.status == 500:
                _LOG.exception("a request failed: %s %s", scope["method"], _route(scope))
            if not status:
                await self._refuse(refusal, scope, receive, sending)
        except asyncio.CancelledError:  # the server has waited for this answer as long as it may
            if not status:
                await self._refuse(ending(), scope, receive, sending)
        finally:
            route = _route(scope)
            self.metrics.requests.labels(route, _method(scope), str(status)).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - start)

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        self.metrics.refused.labels(refusal.kind).inc()
        await refusal.response()(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if _TRICKS.search(scope.get("raw_path") or scope["path"].encode()):
            raise Refusal(404, "path", "there is no such path", fix="see /openapi.json for what there is")
        if self.hosts and _host(headers.get(b"host", b"").decode("latin-1")) not in self.hosts:
            raise Refusal(
                421,
                "host",
                "the server is not called that",
                where="Host",
                fix="ask it by its address, or use keys",
            )

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, so that nothing behind the gate waits for a slow sender."""
        headers = dict(scope["headers"])
        limit = self.limits.body
        stated = headers.get(b"content-length", b"0")
        if stated.isdigit() and int(stated[:20]) > limit:
            raise _too_large(limit)
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.limits.seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(400, "gone", "the client has gone")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    more = message.get("more_body", False)
                    if size > limit:
                        raise _too_large(limit)
        except TimeoutError:
            what = f"the body took longer than {self.limits.seconds:g} s"
            raise Refusal(408, "slow", what, fix="send it at once") from None
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if size and kind != b"application/json":
            raise Refusal(
                415,
                "content_type",
                "the body is not said to be JSON",
                where="Content-Type",
                fix="send it with the header Content-Type: application/json",
            )
        return b"".join(parts)


def _with_body(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was received already."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return messages.pop() if messages else await receive()

    return received


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "too_large", f"the body has more than {limit:,} bytes", fix="send it in several requests")


def _route(scope: Scope) -> str:
    """The route's pattern, never the path itself: that may hold a user's id."""
    return getattr(scope.get("route"), "path", UNMATCHED)


def _method(scope: Scope) -> str:
    method = scope["method"]
    return method if method in {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"} else "other"
