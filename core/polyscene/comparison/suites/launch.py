"""Starts jobs as processes of their own: each has its own peak of memory and dies alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from polyscene.comparison.suites.job import Job

LOGS = "logs"
INTERRUPTED = 130  # how a command ends that got the same Ctrl-C as we
Launch = Callable[[Sequence[str], Path], str]
"""Runs a command, writes what it says to a file, and returns why it failed, empty if it did not."""


@dataclass
class Processes:
    """Runs ``polyscene`` commands, a few at a time.

    Args:
        workers: how many run at once; they share the processor's cores.
    """

    workers: int = 1
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set, init=False)

    def __call__(self, words: Sequence[str], log: Path) -> str:
        """A :data:`Launch`."""
        threads = str(max(1, (os.cpu_count() or 1) // self.workers))
        environment = {"OMP_NUM_THREADS": threads, **os.environ}
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as said:
            process = subprocess.Popen(  # noqa: S603  (our own program, no shell)
                [sys.executable, "-m", "polyscene.cli.app", *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            self._running.add(process)
            try:
                code = process.wait()
            finally:
                self._running.discard(process)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        return reason_in(log.read_text(encoding="utf-8", errors="replace"), code) if code else ""

    def stop(self) -> None:
        """End what is running; it goes on from its last checkpoint when the suite is run again."""
        for process in list(self._running):
            process.terminate()


def run_jobs(jobs: Iterable[Job], suite: Path, launch: Launch, workers: int) -> Iterator[tuple[Job, str]]:
    """Run jobs, those that start from others after them; yields each with the reason if it failed, empty if not.

    Args:
        jobs: what is not finished yet.
        suite: the suite's folder.
        launch: runs one.
        workers: how many at once.
    """
    waiting, stopped = list(jobs), Event()
    broken: set[str] = set()

    def run(job: Job) -> str:
        if stopped.is_set():  # a job that ends by the same Ctrl-C must not make room for the next one
            return "stopped"
        try:
            return launch(job.line(suite), suite / LOGS / f"{job.name}.log")
        except KeyboardInterrupt:
            stopped.set()
            raise

    for later in (False, True):
        futures: dict[Future[str], Job] = {}
        with ThreadPoolExecutor(workers) as pool:
            for job in (one for one in waiting if (one.base is not None) == later):
                if job.base is not None and job.base.name in broken:
                    yield job, f"it starts from {job.base.name}, which failed"
                else:
                    futures[pool.submit(run, job)] = job
            try:
                for future in as_completed(futures):
                    job, reason = futures[future], future.result()
                    broken |= {job.name} if reason else set()
                    yield job, reason
            except BaseException:
                stopped.set()
                if isinstance(launch, Processes):
                    launch.stop()
                raise


def reason_in(said: str, code: int) -> str:
    """Why a command failed, from what it wrote: its error message, or the last line."""
    if code < 0:
        return f"it was killed by signal {-code}"
    _, found, message = f"\n{said}".rpartition("\nError: ")
    lines = [line for line in (message if found else said).splitlines() if line.strip()]
    return "\n".join(lines if found else lines[-1:]) or f"exit code {code}"


def in_a_line(reason: str) -> str:
    """The first line of a reason, with the first problem where it only says how many there are."""
    first, *more = [line.strip(" -") for line in reason.splitlines()] or [""]
    return f"{first}: {more[0]}" if more and re.search(r"\d+ problems?$", first) else first
