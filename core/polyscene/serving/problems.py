"""Refusals: every error becomes one body with what, where and fix, and never a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from polyscene.errors import AccessError, CheckpointError, ConflictError, FeedbackError, PolysceneError
from polyscene.serving.queueing import Busy

RETRY_S = 2
_PLAIN = {
    404: ("there is nothing here", "see /openapi.json for what there is"),
    405: ("this method does nothing here", "see /openapi.json for what there is"),
}


class Refusal(Exception):
    """A request that is refused with a status; ``kind`` also names the reason in the metrics."""

    def __init__(
        self, status: int, kind: str, what: str, *, where: str = "", fix: str = "", retry: int | None = None
    ) -> None:
        super().__init__(what)
        self.status, self.kind, self.what, self.where, self.fix, self.retry = status, kind, what, where, fix, retry

    @property
    def headers(self) -> dict[str, str]:
        """What the answer's head says beside the status."""
        headers = {} if self.retry is None else {"Retry-After": str(self.retry)}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})

    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": {"what": self.what, "where": self.where, "fix": self.fix, "kind": self.kind}}

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.body(), self.status, self.headers)


def ending() -> Refusal:
    """What somebody is told who waits for longer than the server is there.

    Without a time to come back: what was to be changed may have been, and a rollback that is asked for again by
    itself would go back twice.
    """
    return Refusal(
        503,
        "ending",
        "the server ends before this is answered",
        fix="look whether it has happened before you ask again",
    )


def refusal_of(error: Exception) -> Refusal:
    """What a client is told of an error."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Busy):
        return Refusal(503, "busy", error.what, fix=error.fix, retry=error.seconds)
    if isinstance(error, PolysceneError):
        status, kind = _status(error)
        retry = RETRY_S if status == 503 else None
        # Where something of the server's own went wrong, paths and addresses are no business of a client's.
        where = "" if status == 503 else error.where
        return Refusal(status, kind, error.what, where=where, fix=error.fix, retry=retry)
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, HTTPException):
        what, fix = _PLAIN.get(error.status_code, (str(error.detail), ""))
        kind = {404: "not_found", 405: "method", 400: "malformed"}.get(error.status_code, "refused")
        refusal = Refusal(error.status_code, kind, what, fix=fix)
        return _WithHeaders(refusal, error.headers or {})
    return Refusal(500, "internal", "the server failed; the reason is in its log", fix="tell who runs it")


class _WithHeaders(Refusal):
    def __init__(self, refusal: Refusal, headers: Mapping[str, str]) -> None:
        super().__init__(refusal.status, refusal.kind, refusal.what, fix=refusal.fix)
        self._headers = dict(headers)

    @property
    def headers(self) -> dict[str, str]:
        return self._headers


def _status(error: PolysceneError) -> tuple[int, str]:
    if isinstance(error, ConflictError):
        return 409, "conflict"
    if isinstance(error, FeedbackError):
        return 503, "feedback_log"
    if isinstance(error, CheckpointError):
        return 503, "model"
    if isinstance(error, AccessError):
        return 503, "keys"
    return 422, "unanswerable"


def _of_validation(error: RequestValidationError) -> Refusal:
    """All mistakes at once; what was sent is not repeated."""
    found = [(".".join(str(part) for part in one["loc"]), str(one["msg"])) for one in error.errors()]
    if any(str(one["type"]).startswith("json") for one in error.errors()):
        return Refusal(422, "invalid", "the body is not JSON", where="body", fix="send a JSON object")
    places = dict.fromkeys(place for place, _ in found)
    what = "; ".join(f"{place}: {_lower(message)}" for place, message in found[:10])
    where = next(iter(places)) if len(places) == 1 else "body"
    return Refusal(422, "invalid", what, where=where, fix="see /openapi.json for what is expected")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
