"""Events as plain mappings, as JSON has them, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from polyscene.errors import FeedbackError, Problems, did_you_mean
from polyscene.feedback.events import KINDS, Event, Impression, Reaction

_FIELDS = {kind: dataclasses.fields(kind) for kind in (Impression, Reaction)}


def to_mapping(event: Event) -> dict[str, Any]:
    """An event as a mapping for JSON, ``kind`` included; what is ``None`` is left out.

    Example:
        >>> to_mapping(Reaction("r1", 1.7e9, "video", "42", "7", "click"))
        {'event_id': 'r1', 'kind': 'click', 'time': 1700000000.0, 'scenario': 'video', 'user': '42', 'item': '7'}
    """
    mapping: dict[str, Any] = {"event_id": event.event_id, "kind": event.kind}
    for field in _FIELDS[type(event)]:
        value = getattr(event, field.name)
        if value is not None:
            mapping[field.name] = list(value) if isinstance(value, tuple) else value
    return mapping


def from_mapping(mapping: Any) -> Event:
    """The event that a mapping such as :func:`to_mapping` makes stands for.

    Raises:
        FeedbackError: it lacks a key, has one too many, or holds a wrong value.
    """
    if not isinstance(mapping, Mapping):
        raise FeedbackError(f"an event is a mapping of keys, found {mapping!r:.60}")
    kind = mapping.get("kind")
    if kind not in KINDS:
        raise FeedbackError(f"there is no kind {kind!r:.60}", where="event", fix=did_you_mean(str(kind), KINDS))
    cls = Impression if kind == "impression" else Reaction
    problems = Problems(f"{cls.__name__.lower()} {mapping.get('event_id')!r:.60}")
    known = [field.name for field in _FIELDS[cls]]
    for key in mapping:
        if key not in known and key != "kind":
            problems.add(f"there is no key {key!r:.60}", fix=did_you_mean(str(key), known))
    for field in _FIELDS[cls]:
        if field.default is dataclasses.MISSING and field.name not in mapping:
            problems.add(f"'{field.name}' is missing")
    problems.raise_if_any(FeedbackError)
    return cls(**{key: value for key, value in mapping.items() if key in known})
