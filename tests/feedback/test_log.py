"""What every log keeps: order, numbers, and each event once."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyscene.errors import ConflictError, FeedbackError
from polyscene.feedback import Appended, FeedbackLog, Logged
from tests.feedback.conftest import Open, click, everything, impression
from tests.feedback.test_events import impressions, reactions


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(impressions() | reactions, max_size=5, unique_by=lambda event: event.event_id))
def test_events_come_back_as_they_were(log: FeedbackLog, events: list) -> None:
    for user in {event.user for batch in log.read() for one in batch for event in [one.event]}:
        log.erase(user)
    before = log.last()
    assert log.append(events) == Appended(new=len(events), known=0)
    numbered = [Logged(before + place, event) for place, event in enumerate(events, start=1)]
    assert [one for batch in log.read() for one in batch] == numbered


def test_a_log_is_still_there_when_it_is_opened_again(place: str, opened: Open) -> None:
    log = opened(place)
    log.append([impression(1), click(1)])
    log.close()
    again = opened(place, create=False)
    assert everything(again) == [(1, "shown-1"), (2, "click-1")]
    assert again.append([click(2)]) == Appended(1, 0)
    assert again.last() == 3


def test_an_event_is_kept_once(log: FeedbackLog) -> None:
    assert log.append([]) == Appended(0, 0)
    assert log.append([click(1), click(1), click(2)]) == Appended(new=2, known=1)
    assert log.append([click(2), click(3)]) == Appended(new=1, known=1)
    assert everything(log) == [(1, "click-1"), (2, "click-2"), (3, "click-3")]


def test_the_last_that_is_no_impression(log: FeedbackLog) -> None:
    seen = []
    skip = click(2, kind="skip")
    for events in ([impression(1)], [click(1), impression(2)], [click(1)], [impression(3)], [skip]):
        log.append(events)
        seen.append((log.last(), log.last_reaction()))
    assert seen == [(1, 0), (3, 2), (3, 2), (4, 2), (5, 5)]
    log.erase("42")
    assert log.last_reaction() == 5


def test_a_retry_may_be_stamped_anew(log: FeedbackLog) -> None:
    log.append([click(1, time=5.0)])
    assert log.append([click(1, time=9.0)]) == Appended(new=0, known=1)
    assert next(log.read())[0].event.time == 5.0


@pytest.mark.parametrize(
    "changed", [{"user": "43"}, {"item": "8"}, {"kind": "view"}, {"scenario": "music"}, {"value": 1.0}]
)
def test_another_event_with_the_same_id_is_refused(log: FeedbackLog, changed: dict) -> None:
    log.append([click(1)])
    for call in ([click(0), click(1, **changed)], [click(0), click(2), click(2, **changed)]):
        with pytest.raises(ConflictError, match=r"the event id 'click-[12]' stands for another event"):
            log.append(call)
    assert everything(log) == [(1, "click-1")]
    assert log.append([click(0)]) == Appended(1, 0)


def test_reading(log: FeedbackLog) -> None:
    log.append(
        [click(n, scenario="video" if n % 2 else "music", kind="view" if n < 4 else "click") for n in range(10)]
    )
    log.append([impression(1)])
    assert [[one.number for one in batch] for batch in log.read(2, batch=3)] == [[3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert [one.number for batch in log.read(2, until=4) for one in batch] == [3, 4]
    assert [one.number for batch in log.read(scenario="music") for one in batch] == [1, 3, 5, 7, 9]
    assert [one.number for batch in log.read(scenario="music", kinds=["click"], batch=1) for one in batch] == [
        5,
        7,
        9,
    ]
    assert [one.event.event_id for batch in log.read(kinds=["impression"]) for one in batch] == ["shown-1"]
    assert list(log.read(11)) == []
    counted = [(one.scenario, one.kind, one.events, one.users, one.first) for one in log.counts()]
    assert counted == [
        ("music", "click", 3, 1, 1.7e9),
        ("music", "view", 2, 1, 1.7e9),
        ("video", "click", 3, 1, 1.7e9),
        ("video", "impression", 1, 1, 1.7e9),
        ("video", "view", 2, 1, 1.7e9),
    ]
    with pytest.raises(FeedbackError, match="did you mean 'click'"):
        log.read(kinds=["clik"])  # type: ignore[arg-type]
    with pytest.raises(FeedbackError, match="at least 1"):
        log.read(batch=0)


def test_reading_ends_where_the_log_ended_at_the_time_of_the_call(log: FeedbackLog) -> None:
    log.append([click(1), click(2)])
    batches = log.read(batch=1)
    log.append([click(3)])
    assert [one.number for batch in batches for one in batch] == [1, 2]


def test_numbers_rise_whatever_the_clock_does(log: FeedbackLog) -> None:
    times = [1.7e9, 5.0, 0.0, 1.8e9, 1.7e9]
    for number, time in enumerate(times):
        log.append([click(number, time=time)])
    assert [(one.number, one.event.time) for batch in log.read() for one in batch] == list(
        enumerate(times, start=1)
    )


def test_many_events_in_one_call(log: FeedbackLog) -> None:
    events = [click(number) for number in range(2500)]
    log.append(events[1200:1300])
    assert log.append(events) == Appended(new=2400, known=100)
    assert sorted(name for _, name in everything(log)) == sorted(event.event_id for event in events)
    assert log.last() == 2500


def test_a_user_is_exported_and_erased(log: FeedbackLog) -> None:
    log.append([click(1, "ann"), click(2, "bob"), impression(1, "ann"), click(3, "bob")])
    assert [(one.number, one.event.event_id) for one in log.export("ann")] == [(1, "click-1"), (3, "shown-1")]
    assert log.export("nobody") == []
    assert log.erase("ann") == 2
    assert log.erase("ann") == 0
    assert log.export("ann") == []
    assert everything(log) == [(2, "click-2"), (4, "click-3")]


def test_numbers_of_erased_events_are_not_used_again(place: str, opened: Open) -> None:
    log = opened(place)
    log.append([click(1), click(2)])
    assert log.erase("42") == 2
    log.close()
    again = opened(place)
    assert again.last() == 2
    again.append([click(3)])
    assert everything(again) == [(3, "click-3")]


def test_no_trace_of_an_erased_user_is_left_in_the_files(tmp_path: Path, opened: Open) -> None:
    log = opened(tmp_path / "feedback.db")
    chance = random.Random(0)
    for _ in range(30):
        # Ids at random, so that pages of the index split everywhere and leave copies behind.
        events = [click(chance.random(), f"user-{chance.randrange(20)}-", item="x" * 50) for _ in range(100)]
        log.append(events + [click(chance.random(), "Rumpelstiltskin", item="Rumpelstiltskin") for _ in range(5)])
    assert _mentions(tmp_path, b"Rumpelstiltskin")
    assert log.erase("Rumpelstiltskin") == 150
    assert not _mentions(tmp_path, b"Rumpelstiltskin")
    assert _mentions(tmp_path, b"user-7-")
    assert log.last() == 30 * 105


def test_traces_are_told_of_while_somebody_reads(tmp_path: Path, opened: Open) -> None:
    log = opened(tmp_path / "feedback.db", wait=0.1)
    log.append([click(1, "Rumpelstiltskin"), click(2)])
    reader = sqlite3.connect(tmp_path / "feedback.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM feedback_events").fetchone()
    with pytest.raises(FeedbackError, match=r"traces of them are left in the file feedback.db-wal"):
        log.erase("Rumpelstiltskin")
    reader.close()
    assert log.erase("Rumpelstiltskin") == 0
    assert not _mentions(tmp_path, b"Rumpelstiltskin")


def test_the_file_is_nobody_elses(tmp_path: Path, opened: Open) -> None:
    opened(tmp_path / "feedback.db").append([click(1)])
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def _mentions(folder: Path, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in folder.iterdir())
