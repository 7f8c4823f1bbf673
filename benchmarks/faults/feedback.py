"""Processes that append feedback, and the database's server, are killed at random moments (``kill -9``).

After each kill the log is read: every acknowledged event must be there once, every batch whole or absent, numbers
without gaps, and a reader that followed with a cursor must have seen all of it. A SQLite file and a PostgreSQL
server of the script's own.

    python -m benchmarks.faults.feedback                 50 kills of each kind
    python -m benchmarks.faults.feedback --kills 3       nothing is written
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.writer import LARGEST
from polyscene.errors import FeedbackError
from polyscene.feedback import FeedbackLog, open_log

KILLS = 50
WRITERS = 2
LONGEST_S = 0.4
_PAUSE_S = 0.02
_PATIENCE_S = 60
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Found:
    """What was found over all kills so far."""

    kills: int = 0
    acknowledged: int = 0
    written: int = 0
    faults: list[str] = field(default_factory=list)


def main() -> int:
    """Kill, check, print and write ``results/feedback_faults.json``; exit code 1 where anything was wrong."""
    from tests.postgres import Postgres, find_programs

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"kills of each kind ({KILLS})")
    arguments = parser.parse_args()
    programs = find_programs()
    if programs is None:
        sys.exit("there is no PostgreSQL here: install Debian's package postgresql")
    server = Postgres(programs)
    found: dict[tuple[str, str], Found] = {}
    try:
        server.start()

        def restart() -> None:
            server.stop(signal.SIGKILL)
            server.start()

        with tempfile.TemporaryDirectory() as folder:
            found["SQLite", "writers"] = kill_writers(f"{folder}/feedback.db", arguments.kills)
        found["PostgreSQL", "writers"] = kill_writers(server.new_place(), arguments.kills)
        found["PostgreSQL", "the server"] = kill_writers(server.new_place(), arguments.kills, restart)
    finally:
        server.remove()
    for (database, killed), one in found.items():
        print(
            f"{database}, kill -9 of {killed}: {one.kills} kills, {one.acknowledged} events acknowledged, "
            f"{one.written} written, {len(one.faults)} faults"
        )
        print("".join(f"  {fault}\n" for fault in one.faults), end="")
    if arguments.kills == KILLS:
        _write(found)
    return 1 if any(one.faults for one in found.values()) else 0


def kill_writers(
    url: str, kills: int, restart: Callable[[], None] | None = None, *, writers: int = WRITERS, seed: int = 0
) -> Found:
    """Start writers and kill them at a random moment, again and again, on one log.

    Args:
        url: of the log.
        kills: how often.
        restart: kills the server and starts it again, at a random moment before the writers are killed; nothing
            such when ``None``.
        writers: processes that write at once.
        seed: of the moments.
    """
    chance, found = random.Random(seed), Found()
    log = open_log(url)
    acknowledged: dict[str, int] = {}
    seen: list[tuple[int, str]] = []
    for kill in range(kills):
        names = [f"{kill}-{place}" for place in range(writers)]
        processes = {name: _writer(url, name) for name in names}
        first = {name: process.stdout.readline() for name, process in processes.items() if process.stdout}
        _follow(log, seen, time.monotonic() + chance.uniform(0, LONGEST_S))
        if restart is not None:
            restart()
            _follow(log, seen, time.monotonic() + chance.uniform(0, LONGEST_S))
        for process in processes.values():
            process.kill()
        for name, process in processes.items():
            rest, said = process.communicate(timeout=_PATIENCE_S)
            found.faults += [said] if said else []
            # A line without an end was not heard by anybody.
            for line in (first[name] + rest).splitlines(keepends=True):
                if line.endswith("\n"):
                    batch, size = line.split()
                    acknowledged[f"{name}-{batch}"] = int(size)
        _follow(log, seen, 0)
        found.kills += 1
    whole = [(one.number, one.event.event_id) for batch in log.read() for one in batch]
    log.close()
    found.acknowledged, found.written = sum(acknowledged.values()), len(whole)
    found.faults += _faults(acknowledged, whole, seen)
    return found


def _writer(url: str, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.faults.writer", url, name]
    return subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _follow(log: FeedbackLog, seen: list[tuple[int, str]], until: float) -> None:
    """Read on with a cursor until a moment, at least once."""
    while True:
        try:
            for batch in log.read(seen[-1][0] if seen else 0):
                seen += [(one.number, one.event.event_id) for one in batch]
            if time.monotonic() > until:
                return
        except FeedbackError:
            if time.monotonic() > until + _PATIENCE_S:
                raise
        time.sleep(_PAUSE_S)


def _faults(acknowledged: dict[str, int], whole: list[tuple[int, str]], seen: list[tuple[int, str]]) -> list[str]:
    faults = []
    if [number for number, _ in whole] != list(range(1, len(whole) + 1)):
        faults.append("numbers have gaps or do not rise")
    if seen != whole:
        faults.append(f"the cursor saw {len(seen)} of {len(whole)} events, or in another order")
    batches: dict[str, list[str]] = {}
    for _, event_id in whole:
        batch, _, place = event_id.rpartition("-")
        batches.setdefault(batch, []).append(place)
    for batch, places in batches.items():
        if places != [str(place) for place in range(len(places))] or len(places) > LARGEST:
            faults.append(f"batch {batch} holds {places}")
    for batch, size in acknowledged.items():
        if len(batches.get(batch, [])) != size:
            faults.append(f"batch {batch}: {size} events acknowledged, {len(batches.get(batch, []))} found")
    return faults


def _write(found: dict[tuple[str, str], Found]) -> None:
    from benchmarks.results import write_results

    rows = []
    for (database, killed), one in found.items():
        figures = {"kills": one.kills, "events acknowledged": one.acknowledged, "faults": len(one.faults)}
        for metric, value in figures.items():
            rows.append(
                {
                    "protocol": f"kill -9 of {killed}, {WRITERS} processes append 1 to {LARGEST} events a time",
                    "scenario": "feedback log",
                    "method": database,
                    "metric": metric,
                    "mean": value,
                    "std": None,
                    "seeds": [0],
                    "command": "python -m benchmarks.faults.feedback",
                }
            )
    write_results("feedback_faults", rows)


if __name__ == "__main__":
    sys.exit(main())
