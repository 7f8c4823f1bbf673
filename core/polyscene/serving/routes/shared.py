"""What routes have in common: the service, and how refusals are described."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from polyscene.serving import engine
from polyscene.serving.schemas import ErrorBody
from polyscene.serving.schemas.requests import Asker
from polyscene.serving.service import Service

_REFUSALS = {
    400: ("The request is malformed.", "malformed", "the client has gone"),
    401: ("There is no key, or a wrong one.", "no_key", "a key is needed"),
    403: ("The key lacks the scope.", "scope", "the key may not do this: it lacks the scope 'admin'"),
    404: ("There is no such path.", "path", "there is no such path"),
    405: ("The path has no such method.", "method", "this method does nothing here"),
    408: ("The body took too long.", "slow", "the body took longer than 10 s"),
    409: ("It contradicts what is there already.", "conflict", "the event id 'e1' stands for another event"),
    413: ("The body is too large.", "too_large", "the body has more than 1,000,000 bytes"),
    415: ("The body is not said to be JSON.", "content_type", "the body is not said to be JSON"),
    421: ("The server is not called that.", "host", "the server is not called that"),
    422: ("The body is not as described, or names what is not.", "unanswerable", "there is no scenario 'vidio'"),
    429: ("Too many requests; come back after Retry-After seconds.", "rate", "too many requests with this key"),
    500: ("The server failed.", "internal", "the server failed; the reason is in its log"),
    503: ("Too much waits, or the log cannot be written; come back after Retry-After, if given.", "busy",
          "too much waits for the model already (256 of 256)"),
}  # fmt: skip
_RETRY = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Descriptions of refusals for OpenAPI: those of every route, and these."""
    return {status: _described(status) for status in sorted({400, 404, 405, 421, 500, *statuses})}


def _described(status: int) -> dict[str, Any]:
    text, kind, what = _REFUSALS[status]
    body = {"error": {"what": what, "where": "", "fix": "what to do next", "kind": kind}}
    described: dict[str, Any] = {
        "model": ErrorBody,
        "description": text,
        "content": {"application/json": {"example": body}},
    }
    return described | ({"headers": _RETRY} if status in (429, 503) else {})


OPEN = refusals(408, 413, 415)
KEYED = (401, 403, 408, 413, 415, 429)
READ = refusals(*KEYED, 422, 503)


async def _service(request: Request) -> Service:
    return request.app.state.service


Serving = Annotated[Service, Depends(_service)]


def request_of(asked: Asker, **more: Any) -> engine.Request:
    """What the engine is asked."""
    history = None
    if asked.history is not None:
        history = tuple(engine.Step(step.item, step.value, step.time) for step in asked.history)
    return engine.Request(
        asked.scenario,
        user=asked.user,
        history=history,
        text=asked.text,
        view=asked.view,
        exclude_seen=asked.exclude_seen,
        explain=asked.explain,
        **more,
    )


def plain(filters: dict[str, Any]) -> dict[str, Any]:
    """Filters as the engine reads them."""
    return {
        name: one.model_dump(exclude_none=True) if hasattr(one, "model_dump") else one
        for name, one in filters.items()
    }
