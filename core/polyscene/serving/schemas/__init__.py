"""What goes over the wire: bodies of requests, answers and errors, the same for server and client."""

from __future__ import annotations

from polyscene.serving.schemas.answers import (
    Accepted,
    Column,
    Erased,
    Item,
    Model,
    ModelVersion,
    Recommended,
    ScenarioOut,
    ScoredItem,
    ScoredItems,
    State,
    Stored,
    UserData,
)
from polyscene.serving.schemas.errors import ErrorBody, Problem
from polyscene.serving.schemas.requests import (
    EventIn,
    FeedbackIn,
    ImpressionIn,
    ItemsIn,
    PromoteIn,
    ReactionIn,
    RecommendIn,
    RollBackIn,
    ScoreIn,
    SimilarIn,
    StepIn,
)

__all__ = [
    "Accepted",
    "Column",
    "Erased",
    "ErrorBody",
    "EventIn",
    "FeedbackIn",
    "ImpressionIn",
    "Item",
    "ItemsIn",
    "Model",
    "ModelVersion",
    "Problem",
    "PromoteIn",
    "ReactionIn",
    "RecommendIn",
    "Recommended",
    "RollBackIn",
    "ScenarioOut",
    "ScoreIn",
    "ScoredItem",
    "ScoredItems",
    "SimilarIn",
    "State",
    "StepIn",
    "Stored",
    "UserData",
]
