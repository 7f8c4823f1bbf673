"""Several processes behind one address, forked from one that has loaded the model, whose memory they share."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from fastapi import FastAPI
from prometheus_client.multiprocess import mark_process_dead

_STABLE_S = 10.0
_FAILURES = 5
_GRACE_S = 15
_TURN_S = 0.0005
"""How long a thread keeps the interpreter while others want it; requests would wait for the usual 5 ms."""


def run_one(app: FastAPI, listening: socket.socket, parent: int | None = None) -> bool:
    """Answer until told to stop; whether it started.

    Args:
        app: the application.
        listening: where requests arrive.
        parent: end of a pipe that closes when the parent process is gone, however it ended.
    """
    sys.setswitchinterval(_TURN_S)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # paths hold users' ids
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        lifespan="on",
    )
    server = _Server(config)

    async def serve() -> None:
        if parent is not None:

            def orphaned() -> None:
                server.should_exit = True

            asyncio.get_running_loop().add_reader(parent, orphaned)
        await server.serve(sockets=[listening])

    asyncio.run(serve())
    return server.started


class _Server(uvicorn.Server):
    """Ends without sending itself once more the signal that ended it: what is open is closed after it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Workers:
    """Keeps a number of worker processes alive.

    Args:
        count: how many.
        work: what each does; returns whether it went well.
    """

    def __init__(self, count: int, work: Callable[[int], bool]) -> None:
        self.count, self._work = count, work
        self._started: dict[int, float] = {}
        self._stopping = False
        self._reading, self._writing = os.pipe()

    def run(self, forked: Callable[[], None]) -> bool:
        """Fork the workers, replace those that die, and end them when told to; whether all went well.

        Args:
            forked: called when all workers are forked for the first time.
        """
        # What was loaded is never collected: looking through it would copy the pages that workers share.
        gc.collect()
        gc.freeze()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for _ in range(self.count):
            self._fork()
        forked()
        failures = 0
        while self._started:
            try:
                pid, status = os.wait()
            except ChildProcessError:
                break
            mark_process_dead(pid)  # or its part of what is measured would count for ever
            lived = time.monotonic() - self._started.pop(pid, 0.0)
            if self._stopping:
                continue
            failures = failures + 1 if lived < _STABLE_S else 0
            print(f"Worker {pid} ended ({_ending(status)}); another takes its place.", file=sys.stderr, flush=True)
            if failures >= _FAILURES:
                self._stop(signal.SIGTERM, None)
                continue
            self._fork()
        return failures < _FAILURES

    def _fork(self) -> None:
        pid = os.fork()
        if pid:
            self._started[pid] = time.monotonic()
            return
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):  # it may have to load before it listens to them
                signal.signal(number, signal.SIG_DFL)
            os.close(self._writing)
            code = 0 if self._work(self._reading) else 1
        except BaseException as error:  # nothing may return into the parent's code
            print(f"A worker failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        for pid in self._started:
            os.kill(pid, signal.SIGTERM)


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
