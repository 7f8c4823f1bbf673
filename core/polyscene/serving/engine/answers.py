"""Answers: what the engine says to a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from polyscene.evaluation.explain import Reason


@dataclass(frozen=True)
class Scored:
    """Items with scores.

    Args:
        scenario: whose items.
        items: ids, best first (of ``score`` in the order asked).
        scores: one for each; higher is better, and of one scenario, view and model only comparable.
        titles: what items are called, of those that have a title or text.
        model: version of the model that answered.
        unknown_items: ids of the request that are no items of the scenario, which were passed over.
    """

    scenario: str
    items: tuple[str, ...]
    scores: tuple[float, ...]
    titles: Mapping[str, str]
    model: str
    unknown_items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vectors:
    """What a contextual policy may look at.

    Args:
        state_d: the user's adapted state, float32.
        item_Kd: the adapted vectors of the answer's items, float32.
    """

    state_d: Tensor
    item_Kd: Tensor


@dataclass(frozen=True)
class Answer(Scored):
    """Items for a user.

    Args:
        shares: what network and priors each add to an item's score, where explanations were asked for and there
            are priors.
        reasons: what each item has to do with the past, where explanations were asked for and a graph is linked.
        user_known: whether the user is one of the data or has feedback.
        steps: how much of a past the answer was made from.
        recognized: where the router chose the scenario, the probability of each one that could be meant.
        vectors: for policies, where they were asked for.
    """

    shares: tuple[Mapping[str, float], ...] = ()
    reasons: tuple[tuple[Reason, ...], ...] = ()
    user_known: bool = False
    steps: int = 0
    recognized: Mapping[str, float] = field(default_factory=dict)
    vectors: Vectors | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Put:
    """How many items were added, and how many changed."""

    new: int
    changed: int


@dataclass(frozen=True)
class ColumnInfo:
    """A column of items that filters may name.

    Args:
        name: the column.
        kind: ``category`` and ``tags`` hold labels, ``number`` and ``time`` can be compared with bounds.
        examples: the labels that most items have, most frequent first; the least and the greatest number.
    """

    name: str
    kind: Literal["category", "tags", "number", "time"]
    examples: tuple[str | float, ...]


@dataclass(frozen=True)
class ScenarioInfo:
    """A scenario as it is served.

    Args:
        name, title: what it is called, and in a line for people.
        views: names of its views, the first of which is asked where a request names none.
        columns: what filters may name.
        item_columns: the columns that a new item must have, beside ``item_id``.
        items, users: how many there are; users of the data.
        live_users: users that feedback told of.
        by_text: whether a text can stand for a user.
        explained: whether there are paths of a knowledge graph.
        priors: names of what is counted beside the network.
    """

    name: str
    title: str
    views: tuple[str, ...]
    columns: tuple[ColumnInfo, ...]
    item_columns: tuple[str, ...]
    items: int
    users: int
    live_users: int
    by_text: bool
    explained: bool
    priors: tuple[str, ...]
