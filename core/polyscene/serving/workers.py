"""Several processes behind one address, forked from one that has loaded the model, whose memory they share."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from prometheus_client.multiprocess import mark_process_dead

from polyscene.serving.answering import DRAIN

STABLE_S = 10.0
"""A process that lived as long did not fail at the start."""
FAILURES = 5
"""Failures in a row after which no other process takes the place."""
_LOOK_S = 0.1
STOPS = (signal.SIGTERM, signal.SIGINT)
"""What an operator ends the service with."""


class Workers:
    """Keeps a number of worker processes alive.

    Args:
        count: how many.
        work: what each does, given the end of a pipe that closes when this process is gone; whether it went well.
        parent: end of a pipe that closes when this process's own parent is gone; the workers end then as well.
    """

    def __init__(self, count: int, work: Callable[[int], bool], parent: int) -> None:
        self.count, self._work, self._parent = count, work, parent
        self._started: dict[int, float] = {}
        self._ending = 0  # the signal that told it to
        self._reading, self._writing = os.pipe()

    def run(self) -> bool:
        """Fork the workers, replace those that die, and end them when told to; whether all went well."""
        # What was loaded is never collected: looking through it would copy the pages that workers share.
        gc.collect()
        gc.freeze()
        for number in (*STOPS, DRAIN):
            signal.signal(number, self._end)
        for _ in range(self.count):
            self._fork()
        failures = 0
        while self._started:
            if self._ending:
                time.sleep(_LOOK_S)
            elif select.select([self._parent], [], [], _LOOK_S)[0]:
                self._end(signal.SIGTERM)
            for pid, status in ended():
                mark_process_dead(pid)  # or its part of what is measured would count for ever
                lived = time.monotonic() - self._started.pop(pid)
                if self._ending:
                    continue
                failures = failures + 1 if lived < STABLE_S else 0
                print(f"Worker {pid} ended ({how(status)}); another takes its place.", file=sys.stderr, flush=True)
                if failures >= FAILURES:
                    self._end(signal.SIGTERM)
                else:
                    self._fork()
        return failures < FAILURES

    def _fork(self) -> None:
        pid = forked(self._answer)
        self._started[pid] = time.monotonic()
        if self._ending:  # told so while this one was forked
            signalled(pid, self._ending)

    def _answer(self) -> bool:
        os.close(self._writing)
        return self._work(self._reading)

    def _end(self, number: int, frame: FrameType | None = None) -> None:
        self._ending = number
        for pid in self._started:
            signalled(pid, number)


def forked(work: Callable[[], bool]) -> int:
    """Let a process of its own do something and end; its id."""
    signals = {*STOPS, DRAIN}
    # What arrives before the child has handlers of its own must not run the parent's in it.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid:  # also where the system allows no process more
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    if pid:
        return pid
    code = 1
    try:
        for number in signals:  # it may have to load before it listens to them
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        code = 0 if work() else 1
    except BaseException as error:  # nothing may return into the parent's code
        print(f"A worker failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        try:
            sys.stdout.flush()
        finally:
            os._exit(code)


def signalled(pid: int, number: int) -> None:
    """Send a signal to a child that may just have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def ended() -> list[tuple[int, int]]:
    """The children that ended since, with their status; waits for none."""
    found = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found.append((pid, status))


def how(status: int) -> str:
    """How a process ended, in words."""
    code = os.waitstatus_to_exitcode(status)
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
