"""How requests are sent, sent again, and how refusals become errors."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

import httpx2
import pydantic

from polyscene.errors import AccessError, ConflictError, FeedbackError, PolysceneError, ServingError

_KINDS: dict[str, type[PolysceneError]] = {
    "no_key": AccessError,
    "wrong_key": AccessError,
    "scope": AccessError,
    "rate": AccessError,
    "conflict": ConflictError,
    "feedback_log": FeedbackError,
}
_AGAIN = {429, 503}
_PAUSE_S = 0.2


class Transport:
    """Connections to one server; arguments as of :class:`polyscene.serving.client.Client`."""

    def __init__(self, url: str, *, key: str | None, timeout: float, patience: float) -> None:
        self.url, self.patience = url.rstrip("/"), patience
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        try:
            self._client = httpx2.Client(base_url=self.url, headers=headers, timeout=timeout)
        except (httpx2.InvalidURL, ValueError) as error:
            raise ServingError(f"this is no address: {error}", where=url, fix="give http://HOST:PORT") from None

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request; the answer's JSON, or its text where it is none.

        Raises:
            PolysceneError: the server refuses it, or cannot be reached.
        """
        until = time.monotonic() + self.patience
        while True:
            try:
                response = self._client.request(method, path, json=body)
            except httpx2.HTTPError as error:
                # A request that was never sent may be sent again.
                if isinstance(error, httpx2.ConnectError) and time.monotonic() < until:
                    time.sleep(_PAUSE_S)
                    continue
                raise ServingError(
                    f"the server does not answer ({type(error).__name__}: {error})",
                    where=self.url,
                    fix="start one: polyscene serve run=RUN",
                ) from None
            # Only what the server did not begin comes with a time to come back.
            wait = response.headers.get("Retry-After") if response.status_code in _AGAIN else None
            if wait is None or time.monotonic() + float(wait) > until:
                return _read(response)
            time.sleep(float(wait))

    @staticmethod
    def checked(kind: type[pydantic.BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
        """A body as JSON.

        Raises:
            ServingError: with all that is wrong at once.
        """
        try:
            return kind.model_validate(dict(values)).model_dump(mode="json", exclude_none=True)
        except pydantic.ValidationError as error:
            found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise ServingError("; ".join(found), where=kind.__name__) from None

    @staticmethod
    def named(event: Mapping[str, Any]) -> dict[str, Any]:
        """An event with an id, so that it may be sent again."""
        return {"event_id": f"sent-{uuid.uuid4().hex}", **event}

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()


def _read(response: httpx2.Response) -> Any:
    is_json = response.headers.get("content-type", "").startswith("application/json")
    if response.is_success:
        return response.json() if is_json else response.text
    problem = response.json().get("error", {}) if is_json else {}
    kind = _KINDS.get(problem.get("kind", ""), ServingError)
    what = problem.get("what", f"the server answers {response.status_code}")
    raise kind(what, where=problem.get("where", ""), fix=problem.get("fix", ""))
