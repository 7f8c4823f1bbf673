"""Several processes and threads at one log; processes that are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event

from benchmarks.faults.feedback import kill_writers
from polyscene.errors import FeedbackError
from polyscene.feedback import Appended
from tests.feedback.conftest import Open, click, everything
from tests.postgres import Postgres

REPOSITORY = Path(__file__).resolve().parents[2]


def test_nothing_acknowledged_is_lost_or_doubled_when_writers_are_killed(place: str) -> None:
    found = kill_writers(place, kills=2, seed=1)
    assert found.faults == []
    assert found.written >= found.acknowledged > 0


def test_nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed(postgres: Postgres) -> None:
    def restart() -> None:
        postgres.stop(signal.SIGKILL)
        postgres.start()

    found = kill_writers(postgres.new_place(), 1, restart, writers=1)
    assert found.faults == []
    assert found.written >= found.acknowledged > 0


def test_a_cursor_does_not_pass_by_an_event_that_commits_late(place: str, opened: Open) -> None:
    """The one with the lower number holds its commit back; the other has to wait, and so has the cursor."""
    slow, quick, reader = opened(place), opened(place), opened(place)
    reached, released = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        reached.set()
        assert released.wait(30)

    event.listen(slow._database.engine, "commit", hold)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(slow.append, [click(1)])
        assert reached.wait(30)
        second = threads.submit(quick.append, [click(2)])
        time.sleep(0.2)
        seen = everything(reader)
        cursor = seen[-1][0] if seen else 0
        released.set()
        assert first.result() == second.result() == Appended(1, 0)
    assert seen + everything(reader, cursor) == [(1, "click-1"), (2, "click-2")]


def test_the_same_events_from_many_threads(place: str, opened: Open) -> None:
    log = opened(place)
    calls = [[click(number) for number in range(start, start + 10)] for start in range(0, 60, 3)]
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(log.append, calls))
    assert sum(one.new for one in done) == 67
    assert [number for number, _ in everything(log)] == list(range(1, 68))
    assert {name for _, name in everything(log)} == {f"click-{number}" for number in range(67)}


def test_no_thread_waits_for_longer_than_it_said(place: str, opened: Open) -> None:
    log = opened(place, wait=0.2)
    with ThreadPoolExecutor() as threads, log._database.writing():
        late = threads.submit(log.append, [click(1)])
        with pytest.raises(FeedbackError, match=r"others held the log for longer than 0\.2 s"):
            late.result(30)
    assert log.append([click(1)]) == Appended(1, 0)


def test_many_open_a_new_log_at_once(place: str, opened: Open) -> None:
    with ThreadPoolExecutor(6) as threads:
        logs = list(threads.map(opened, [place] * 6))
        done = list(threads.map(lambda pair: pair[1].append([click(pair[0])]), enumerate(logs)))
    assert done == [Appended(1, 0)] * 6
    assert everything(logs[0]) == everything(logs[5])
    assert len(everything(logs[0])) == 6


def test_a_process_that_ends_while_it_makes_a_log(tmp_path: Path, opened: Open) -> None:
    """At each point at which another file is written: what it leaves is made whole by the next one."""
    code = (
        "import os, signal, sys\n"
        "from polyscene.feedback import open_log, schema, sqlite\n"
        "step = sys.argv[2]\n"
        "die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "if step == 'mode': sqlite.SqliteDatabase.prepare = die\n"
        "if step == 'tables': schema.STATE.insert = schema.insert = die\n"
        "open_log(sys.argv[1])\n"
    )
    for step in ("mode", "tables"):
        path = tmp_path / f"{step}.db"
        done = subprocess.run([sys.executable, "-c", code, str(path), step], cwd=REPOSITORY, check=False)
        assert done.returncode == -signal.SIGKILL
        assert path.exists()
        assert opened(path).append([click(1)]) == Appended(1, 0)
