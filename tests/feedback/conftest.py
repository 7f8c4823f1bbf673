"""A log in a SQLite file, and one on a PostgreSQL server; events to put there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from polyscene.feedback import FeedbackLog, Impression, Reaction, open_log

Open = Callable[..., FeedbackLog]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a log that is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'feedback.db'}"
    return request.getfixturevalue("postgres").new_place()


@pytest.fixture
def opened() -> Iterator[Open]:
    """``opened(url, ...)`` opens a log that is closed when the test ends."""
    logs: list[FeedbackLog] = []

    def open_one(url: str, **options: object) -> FeedbackLog:
        logs.append(open_log(str(url), **options))
        return logs[-1]

    yield open_one
    for log in logs:
        log.close()


@pytest.fixture
def log(place: str, opened: Open) -> FeedbackLog:
    """An empty log."""
    return opened(place)


def click(number: int | str, user: str = "42", **changed: object) -> Reaction:
    """A click with an id of its own."""
    fields = {"time": 1.7e9, "scenario": "video", "item": "7", "kind": "click", **changed}
    return Reaction(event_id=f"click-{number}", user=user, **fields)


def impression(number: int | str, user: str = "42", **changed: object) -> Impression:
    """A list of two items with an id of its own."""
    fields = {
        "time": 1.7e9,
        "scenario": "video",
        "items": ("7", "9"),
        "scores": (0.1 + 0.2, -1e-300),
        "model": "v1",
        "policy": "greedy",
        **changed,
    }
    return Impression(event_id=f"shown-{number}", user=user, **fields)


def everything(log: FeedbackLog, after: int = 0) -> list[tuple[int, str]]:
    """Numbers and ids of a log."""
    return [(one.number, one.event.event_id) for batch in log.read(after) for one in batch]
