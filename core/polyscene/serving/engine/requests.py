"""Requests: who asks for recommendations, of what, and in which way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from polyscene.errors import Problems, ServingError

MOST_ITEMS, LONGEST_HISTORY, LONGEST_TEXT = 1_000, 2_000, 10_000
"""Items of one answer, steps of one given history, characters of one text."""
_LARGEST = 1e15


@dataclass(frozen=True)
class Step:
    """One thing that a user did.

    Args:
        item: the item's id.
        value: a rating or count in the units of the scenario's data; a middling one if None.
        time: unix seconds; the latest that the data holds if None.
    """

    item: str
    value: float | None = None
    time: float | None = None


@dataclass(frozen=True)
class Request:
    """One request, as plain Python values.

    What is known of a user is what training data and feedback tell, or instead of that a given ``history``, or a
    ``text``. Nobody in particular (no user, no history, no text) asks as somebody new.

    Args:
        scenario: whose items; None leaves it to the router to recognize it from history, user or text.
        user: the user's id: one of the data, one that feedback told of, or one never seen.
        history: oldest first; what is known of the user otherwise is not read then.
        text: what the user likes, in words.
        k: number of items.
        view: one of the scenario's views; its first if None.
        filters: conditions on columns of items, all of which must hold: a value, a list of values one of which it
            must be (of tags: hold), or ``{"min": .., "max": ..}``, both included and either left out.
        exclude_seen: whether what the user had is left out; as the view says if None.
        exclude: further items to be left out.
        explain: whether shares of network and priors, and paths of the knowledge graph, are told.

    Raises:
        ServingError: with all that is wrong at once.
    """

    scenario: str | None
    user: str | None = None
    history: tuple[Step, ...] | None = None
    text: str | None = None
    k: int = 10
    view: str | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    exclude_seen: bool | None = None
    exclude: tuple[str, ...] = ()
    explain: bool = False

    def __post_init__(self) -> None:
        problems = Problems("request")
        if isinstance(self.k, bool) or not isinstance(self.k, int) or not 1 <= self.k <= MOST_ITEMS:
            problems.add(f"k is {self.k!r:.60}", fix=f"ask for 1 to {MOST_ITEMS:,} items")
        if self.text is not None and self.history is not None:
            problems.add("history and text are both given", fix="give one of them")
        if self.text is not None and not self.text.strip():
            problems.add("the text is empty", fix='say what the user likes: text="slow jazz and piano"')
        if self.text is not None and len(self.text) > LONGEST_TEXT:
            problems.add(f"the text has {len(self.text):,} characters", fix=f"give at most {LONGEST_TEXT:,}")
        if self.history is not None:
            self._check_history(self.history, problems)
        problems.raise_if_any(ServingError)

    @staticmethod
    def _check_history(history: tuple[Step, ...], problems: Problems) -> None:
        if len(history) > LONGEST_HISTORY:
            problems.add(f"the history has {len(history):,} steps", fix=f"give the latest {LONGEST_HISTORY:,}")
        for name in ("value", "time"):
            values = [getattr(step, name) for step in history]
            wrong = [value for value in values if not _is_finite(value)]
            if wrong:
                problems.add(f"a step's {name} is {wrong[0]!r:.60}", fix="give a finite number, or leave it out")


def _is_finite(value: Any) -> bool:
    if value is None:
        return True
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and math.isfinite(value) and -_LARGEST < float(value) < _LARGEST
