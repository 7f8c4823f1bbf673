"""Events: what a user was shown and what the user did."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, get_args

from polyscene.errors import FeedbackError, Problems, did_you_mean

LONGEST = 200
"""Characters of an id or a name."""
_LATEST = 1e11  # unix seconds; a clock in milliseconds lies far beyond it

NOBODY = "anonymous"
"""Stands for a user who was shown a list and has no id."""
ReactionKind = Literal["click", "purchase", "rating", "skip", "view"]
Kind = Literal["impression", "click", "purchase", "rating", "skip", "view"]
REACTIONS: tuple[ReactionKind, ...] = get_args(ReactionKind)
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Impression:
    """One list that was shown. It may be empty: an arm that finds nothing to show must not look better for it.

    Args:
        event_id: names the event for good, so that sending it again changes nothing; as every id and name here, 1
            to 200 characters.
        time: unix seconds, UTC.
        scenario: where it was shown.
        user: to whom, as the caller names the user.
        items: in the order shown, each once.
        scores: one for each item.
        model: the version of the model that answered.
        policy: the name of the policy that chose, as ``greedy``.
        propensities: the probability of each shown item at its place, above 0, as far as the policy knows it.
        experiment, arm: the experiment that the user took part in, and on which side.
        view: the place on the page or the kind of list, where a scenario has several.
        context: what a contextual policy saw.

    Raises:
        FeedbackError: with all that is wrong at once.

    Example:
        >>> shown = Impression("shown-1", 1.7e9, "video", "42", ("7", "9"), (0.8, 0.5), "v1", "greedy")
        >>> shown.scores
        (0.8, 0.5)
    """

    event_id: str
    time: float
    scenario: str
    user: str
    items: tuple[str, ...]
    scores: tuple[float, ...]
    model: str
    policy: str
    propensities: tuple[float, ...] | None = None
    experiment: str | None = None
    arm: str | None = None
    view: str | None = None
    context: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check = _Check(self, f"impression {self.event_id!r:.60}")
        check.texts("event_id", "scenario", "user", "model", "policy")
        check.texts("experiment", "arm", "view", optional=True)
        check.time()
        items = check.many("items", str)
        count = None if items is None else len(items)
        if items is not None and len(set(items)) < len(items):
            check.problems.add("'items' holds an item twice", fix="list each item once")
        check.many("scores", float, count)
        if self.propensities is not None:
            chances = check.many("propensities", float, count) or ()
            if not all(0 < chance <= 1 for chance in chances):
                check.problems.add("'propensities' must be above 0 and at most 1: what cannot be is never shown")
        if self.context is not None:
            check.many("context", float)
        check.problems.raise_if_any(FeedbackError)

    @property
    def kind(self) -> Kind:
        """``impression``, beside the kinds of reactions."""
        return "impression"


@dataclass(frozen=True)
class Reaction:
    """What a user did with an item.

    Args:
        event_id, time, scenario, user: as of an :class:`Impression`.
        item: the item's id.
        kind: what was done.
        value: a rating (which must have one), a price, the seconds watched.
        impression: ``event_id`` of the list in which the item was shown.

    Raises:
        FeedbackError: with all that is wrong at once.

    Example:
        >>> Reaction("r1", 1.7e9, "video", "42", "7", "clik")
        Traceback (most recent call last):
        ...
        polyscene.errors.FeedbackError: reaction 'r1': 1 problem
          - there is no kind 'clik': did you mean 'click'? Known: click, purchase, rating, skip, view
    """

    event_id: str
    time: float
    scenario: str
    user: str
    item: str
    kind: ReactionKind
    value: float | None = None
    impression: str | None = None

    def __post_init__(self) -> None:
        check = _Check(self, f"reaction {self.event_id!r:.60}")
        check.texts("event_id", "scenario", "user", "item")
        check.texts("impression", optional=True)
        check.time()
        if self.kind not in REACTIONS:
            check.problems.add(f"there is no kind {self.kind!r:.60}", fix=did_you_mean(str(self.kind), REACTIONS))
        if self.value is not None:
            check.number("value")
        elif self.kind == "rating":
            check.problems.add("a rating needs a 'value'")
        check.problems.raise_if_any(FeedbackError)


Event = Impression | Reaction


class _Check:
    """Checks fields of an event that is being made, and puts plain texts, floats and tuples in their place."""

    def __init__(self, event: Any, where: str) -> None:
        self.event, self.problems = event, Problems(where)

    def texts(self, *names: str, optional: bool = False) -> None:
        for name in names:
            value = getattr(self.event, name)
            complaint = None if optional and value is None else _wrong_text(value)
            if complaint:
                self.problems.add(f"'{name}' {complaint}")

    def time(self) -> None:
        if self.number("time") and not 0 <= self.event.time < _LATEST:
            self.problems.add(
                f"'time' is {self.event.time:.15g}; unix seconds are expected",
                fix="divide milliseconds by 1000" if self.event.time > 0 else "count from 1970, UTC",
            )

    def number(self, name: str) -> bool:
        value = getattr(self.event, name)
        complaint = _wrong_number(value)
        if complaint:
            self.problems.add(f"'{name}' {complaint}")
        else:
            object.__setattr__(self.event, name, float(value))
        return not complaint

    def many(self, name: str, kind: type, count: int | None = None) -> tuple[Any, ...] | None:
        """A field's tuple; ``None`` where it is wrong."""
        values = getattr(self.event, name)
        if not isinstance(values, list | tuple):
            self.problems.add(f"'{name}' is {values!r:.60}; a list is expected")
            return None
        wrong = _wrong_text if kind is str else _wrong_number
        complaint = next(filter(None, map(wrong, values)), "")
        if complaint:
            self.problems.add(f"an entry of '{name}' {complaint}")
            return None
        if count is not None and len(values) != count:
            self.problems.add(f"'{name}' has {len(values)} entries; one for each of the {count} items is expected")
            return None
        object.__setattr__(self.event, name, tuple(map(kind, values)))
        return getattr(self.event, name)


def _wrong_text(value: object) -> str:
    if not isinstance(value, str):
        return f"is {value!r:.60}; text is expected"
    if not 0 < len(value) <= LONGEST:
        return f"has {len(value)} characters; 1 to {LONGEST} are expected"
    # No database keeps these: the character 0, and halves of surrogate pairs, which UTF-8 cannot say.
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        return f"holds a character that is none: {value!r:.60}"
    return ""


def _wrong_number(value: object) -> str:
    fits = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    return "" if fits else f"is {value!r:.60}; a finite number is expected"
