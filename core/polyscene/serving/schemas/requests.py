"""Bodies of requests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from polyscene.serving.schemas.words import Body, Cell, Condition, Name, Real, Share, Time, Words, example

MOST_ITEMS, MOST_EVENTS, MOST_ROWS = 1000, 1000, 1000


class StepIn(Body):
    """One thing that a user did before."""

    item: Name
    value: Real | None = Field(None, description="a rating or count in the units of the scenario's data")
    time: Time | None = None


class Asker(Body):
    """Who asks: a user by id, or instead of what is known of one a history or a text; nobody is somebody new."""

    scenario: Name | None = Field(None, description="left out, the router recognizes it, where the model has one")
    user: Name | None = Field(None, description="known to the model, known by feedback, or never seen")
    history: list[StepIn] | None = Field(None, max_length=2000, description="oldest first")
    text: Words | None = Field(None, description="what the user likes, in words")
    view: Name | None = Field(None, description="one of the scenario's views; its first if left out")
    exclude_seen: bool | None = Field(
        None, description="leave out what the user had; as the view says if left out"
    )
    explain: bool = Field(False, description="say what network and counts add to each score, and show paths")


class RecommendIn(Asker):
    """Recommend items to a user."""

    k: int = Field(10, ge=1, le=MOST_ITEMS, strict=True, description="how many")
    filters: dict[Name, Condition] = Field({}, max_length=50, description="conditions on columns; all must hold")
    exclude: list[Name] = Field([], max_length=MOST_ITEMS, description="items that are not wanted")
    model_config = example(scenario="video", user="42", k=5, explain=True)


class SimilarIn(Body):
    """Find items like one."""

    scenario: Name
    item: Name
    k: int = Field(10, ge=1, le=MOST_ITEMS, strict=True)
    filters: dict[Name, Condition] = Field({}, max_length=50)
    exclude: list[Name] = Field([], max_length=MOST_ITEMS)
    model_config = example(scenario="video", item="260", k=3)


class ScoreIn(Asker):
    """Score given items for a user."""

    items: list[Name] = Field(min_length=1, max_length=MOST_ITEMS)
    model_config = example(scenario="video", user="42", items=["260", "1"])


class HistoryIn(Body):
    """Tell what a user had."""

    scenario: Name
    user: Name
    count: int = Field(20, ge=1, le=MOST_ITEMS, strict=True, description="at most so many, latest first")
    model_config = example(scenario="video", user="42", count=5)


class ItemsIn(Body):
    """Add items, or change columns of known ones."""

    scenario: Name
    rows: list[dict[Name, Cell]] = Field(
        min_length=1,
        max_length=MOST_ROWS,
        description="each with item_id and the columns that /v1/scenarios names",
    )
    model_config = example(scenario="video", rows=[{"item_id": "new-1", "title": "Moon", "genres": ["Drama"]}])


class ImpressionIn(Body):
    """A list that was shown elsewhere. What this service recommends is logged by itself."""

    kind: Literal["impression"]
    event_id: Name | None = Field(None, description="sending it again changes nothing; made here if left out")
    time: Time | None = Field(None, description="unix seconds, UTC; now if left out")
    scenario: Name
    user: Name
    items: list[Name] = Field(max_length=MOST_ITEMS, json_schema_extra={"uniqueItems": True})
    scores: list[Real] = Field(max_length=MOST_ITEMS)
    model: Name
    policy: Name
    propensities: list[Share] | None = Field(None, max_length=MOST_ITEMS)
    experiment: Name | None = None
    arm: Name | None = None
    view: Name | None = None


class ReactionIn(Body):
    """What a user did with an item."""

    kind: Literal["click", "purchase", "rating", "skip", "view"]
    event_id: Name | None = Field(None, description="sending it again changes nothing; made here if left out")
    time: Time | None = Field(None, description="unix seconds, UTC; now if left out")
    scenario: Name
    user: Name
    item: Name
    value: Real | None = Field(None, description="a rating (which must have one), a price, seconds watched")
    impression: Name | None = Field(None, description="the list in which it was shown, as /v1/recommend names it")


EventIn = Annotated[ImpressionIn | ReactionIn, Field(discriminator="kind")]


class FeedbackIn(Body):
    """Events, all of which are kept or none."""

    events: list[EventIn] = Field(min_length=1, max_length=MOST_EVENTS)
    model_config = example(events=[{"kind": "click", "scenario": "video", "user": "42", "item": "260"}])


class PromoteIn(Body):
    """Let another version serve."""

    version: Name
    why: str = Field("", max_length=1000, description="for the audit log")


class RollBackIn(Body):
    """Let the version serve that did before."""

    why: str = Field("", max_length=1000, description="for the audit log")
