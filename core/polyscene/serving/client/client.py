"""A client of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import pydantic

from polyscene.serving.client.transport import Transport
from polyscene.serving.schemas import (
    Accepted,
    Erased,
    ExperimentOut,
    FeedbackIn,
    History,
    HistoryIn,
    ItemsIn,
    Model,
    PromoteIn,
    Recommended,
    RecommendIn,
    RollBackIn,
    ScenarioOut,
    ScoredItems,
    ScoreIn,
    SimilarIn,
    State,
    StepIn,
    Stored,
    UserData,
)

Out = TypeVar("Out", bound=pydantic.BaseModel)
Rows = Sequence[Mapping[str, Any]]
Filters = Mapping[str, Any]


class Asker(TypedDict, total=False):
    """Who asks, and from which past; see :class:`polyscene.serving.schemas.RecommendIn`."""

    user: str | None
    history: Sequence[StepIn | Mapping[str, Any]] | None
    text: str | None
    view: str | None
    exclude_seen: bool | None


class Client:
    """Asks a service, and waits for its answers.

    Bodies are those of :mod:`polyscene.serving.schemas` and are checked before anything is sent. Every refusal is
    raised as the error of :mod:`polyscene.errors` that its kind stands for: ``AccessError`` for keys and rates,
    ``ConflictError`` and ``FeedbackError`` for events, ``ServingError`` for the rest; no answer within the time,
    or no server, is a ``ServingError`` too.

    Args:
        url: where the server says that it serves.
        key: an API key.
        timeout: seconds to wait for one answer.
        patience: seconds in which requests are sent again while the server is busy or starts. Events without an
            id get one before they are sent, so that none is counted twice.

    Example::

        client = Client("http://127.0.0.1:8000", key="...")
        shown = client.recommend("video", user="42", k=3)
        click = {"kind": "click", "scenario": "video", "user": "42", "item": shown.items[0].item}
        client.feedback([{**click, "impression": shown.impression}])
    """

    def __init__(self, url: str, *, key: str | None = None, timeout: float = 10.0, patience: float = 0.0) -> None:
        self._transport = Transport(url, key=key, timeout=timeout, patience=patience)

    def recommend(
        self,
        scenario: str | None = None,
        *,
        k: int = 10,
        filters: Filters | None = None,
        exclude: Sequence[str] = (),
        explain: bool = False,
        **asker: Unpack[Asker],
    ) -> Recommended:
        """The best items for a user; arguments as of :class:`polyscene.serving.schemas.RecommendIn`."""
        more = {"k": k, "filters": filters or {}, "exclude": list(exclude), "explain": explain}
        return self._post("/v1/recommend", RecommendIn, {"scenario": scenario, **asker, **more}, Recommended)

    def similar(
        self,
        scenario: str,
        item: str,
        *,
        k: int = 10,
        filters: Filters | None = None,
        exclude: Sequence[str] = (),
    ) -> ScoredItems:
        """Items like one; arguments as of :class:`polyscene.serving.schemas.SimilarIn`."""
        asked = {"scenario": scenario, "item": item, "k": k, "filters": filters or {}, "exclude": list(exclude)}
        return self._post("/v1/similar", SimilarIn, asked, ScoredItems)

    def score(self, scenario: str | None, items: Sequence[str], **asker: Unpack[Asker]) -> ScoredItems:
        """Scores of given items; arguments as of :class:`polyscene.serving.schemas.ScoreIn`."""
        return self._post("/v1/score", ScoreIn, {"scenario": scenario, **asker, "items": list(items)}, ScoredItems)

    def history(self, scenario: str, user: str, *, count: int = 20) -> History:
        """What a user had, by the data of the run and by feedback, latest first."""
        return self._post("/v1/history", HistoryIn, {"scenario": scenario, "user": user, "count": count}, History)

    def put_items(self, scenario: str, rows: Rows) -> Stored:
        """Add items, or change columns of known ones; each row with ``item_id``."""
        return self._post("/v1/items", ItemsIn, {"scenario": scenario, "rows": rows}, Stored)

    def feedback(self, events: Rows) -> Accepted:
        """Keep events, all or none; they are on the server's disk when this returns."""
        named = [self._transport.named(one) for one in events]
        return self._post("/v1/feedback", FeedbackIn, {"events": named}, Accepted)

    def scenarios(self) -> list[ScenarioOut]:
        """What is served."""
        return [ScenarioOut.model_validate(one) for one in self._transport.send("GET", "/v1/scenarios")]

    def experiments(self) -> list[ExperimentOut]:
        """What the experiments that run brought so far."""
        return [ExperimentOut.model_validate(one) for one in self._transport.send("GET", "/v1/experiments")]

    def models(self) -> Model:
        """The version that serves, and those that could."""
        return Model.model_validate(self._transport.send("GET", "/v1/models"))

    def promote(self, version: str, *, why: str = "") -> Model:
        """Let another version serve."""
        return self._post("/v1/models/promote", PromoteIn, {"version": version, "why": why}, Model)

    def roll_back(self, *, why: str = "") -> Model:
        """Let the version serve that did before."""
        return self._post("/v1/models/rollback", RollBackIn, {"why": why}, Model)

    def export_user(self, user: str) -> UserData:
        """All that was kept of a user."""
        return UserData.model_validate(self._transport.send("GET", f"/v1/users/{quote(user, safe='')}"))

    def erase_user(self, user: str) -> Erased:
        """Remove what was kept of a user."""
        return Erased.model_validate(self._transport.send("DELETE", f"/v1/users/{quote(user, safe='')}"))

    def ready(self) -> State:
        """Whether requests are answered with the promoted model and all that is known."""
        return State.model_validate(self._transport.send("GET", "/readyz"))

    def metrics(self) -> str:
        """All series, in Prometheus' text format."""
        return self._transport.send("GET", "/metrics")

    def close(self) -> None:
        """Let go of connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, path: str, kind: type[pydantic.BaseModel], values: Mapping[str, Any], out: type[Out]) -> Out:
        body = self._transport.checked(kind, values)
        return out.model_validate(self._transport.send("POST", path, body))
