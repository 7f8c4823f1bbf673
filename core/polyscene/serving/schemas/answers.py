"""Bodies of answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from polyscene.serving.schemas.words import Out


class ScoredItem(Out):
    """An item with its score, which compares only within one scenario, view and model."""

    item: str
    title: str | None = None
    score: float


class Item(ScoredItem):
    """A recommended item."""

    shares: dict[str, float] = Field({}, description="what network and each count add to the score")
    reasons: list[str] = Field([], description="paths in the knowledge graph from the user's past")


class ScoredItems(Out):
    """Items with scores."""

    scenario: str
    items: list[ScoredItem]
    model: str = Field(description="the version that answered")
    unknown_items: list[str] = Field([], description="ids of the request that are no items; they were passed over")


class Recommended(Out):
    """Items for a user, in the order to be shown."""

    scenario: str
    items: list[Item]
    model: str = Field(description="the version that answered")
    impression: str | None = Field(description="names this list: give it with reactions; null if it is not logged")
    policy: str = Field(description="who chose what is shown")
    user_known: bool
    unknown_items: list[str] = Field([], description="ids of the request that are no items; they were passed over")
    recognized: dict[str, float] = Field({}, description="the router's probabilities, where it chose the scenario")
    experiment: str | None = None
    arm: str | None = None
    degraded: list[str] = Field([], description="why the answer is less than it could be, where it is")


class HadItem(Out):
    """An item that a user had."""

    item: str
    title: str | None = None


class History(Out):
    """What a user had, latest first, each item once."""

    scenario: str
    user: str
    items: list[HadItem]


class Stored(Out):
    """Items that are served from now on, and after a restart."""

    new: int
    changed: int


class Accepted(Out):
    """Events that are on disk, in the order in which they were sent."""

    event_ids: list[str]


class Column(Out):
    """A column of items that filters may name."""

    name: str
    kind: Literal["category", "tags", "number", "time"]
    examples: list[str | float]


class ScenarioOut(Out):
    """A scenario as it is served."""

    name: str
    title: str
    views: list[str]
    columns: list[Column]
    item_columns: list[str] = Field(description="what a new item must have beside item_id")
    items: int
    users: int
    live_users: int = Field(description="users that feedback told of")
    by_text: bool = Field(description="whether a text can stand for a user")
    explained: bool = Field(description="whether there are paths of a knowledge graph")
    priors: list[str] = Field(description="what is counted beside the network")
    policy: str


class ModelVersion(Out):
    """A version at hand."""

    version: str
    promoted: bool
    adopted: float | None = Field(None, description="unix seconds")


class Model(Out):
    """Which version serves, and which could."""

    serving: str = Field(description="the version that this worker answers with")
    promoted: str = Field(description="the version that all workers answer with, at most a moment later")
    since: float = Field(description="unix seconds of the promotion")
    versions: list[ModelVersion]


class UserData(Out):
    """All that was kept of a user while serving."""

    user: str
    events: list[dict[str, Any]] = Field(description="each with its number in the log")


class Erased(Out):
    """What was removed of a user."""

    user: str
    events: int


class State(Out):
    """Whether the service is well."""

    status: Literal["ok", "degraded"]
    model: str
    problems: list[str] = Field([], description="what is not as it should be")
