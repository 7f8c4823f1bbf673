"""One process that answers requests, from when it listens until nobody waits for it any more."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

DRAIN = signal.SIGUSR1
"""Tells a worker that others take its place: it accepts no more connections, and ends with those it has."""
_GRACE_S = 15
_TURN_S = 0.0005
"""How long a thread keeps the interpreter while others want it; requests would wait for the usual 5 ms."""
_LAST = (b"connection", b"close")


def answer(
    app: FastAPI,
    listening: socket.socket,
    *,
    parent: int | None = None,
    started: Callable[[], None] = lambda: None,
) -> bool:
    """Answer until told to stop; whether it started.

    Args:
        app: the application.
        listening: where requests arrive.
        parent: end of a pipe that closes when the parent process is gone, however it ended.
        started: called when requests are accepted.
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
    server = _Server(config, started)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(DRAIN, server.drain)
        if parent is not None:

            def orphaned(pipe: int) -> None:
                loop.remove_reader(pipe)  # a closed one can be read from for ever
                server.stop()

            loop.add_reader(parent, orphaned, parent)
        await server.serve(sockets=[listening])

    asyncio.run(serve())
    return server.started


class _Server(uvicorn.Server):
    """Can be drained, and ends without sending itself once more the signal that ended it: what is open is closed
    after it."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell, self._draining = started, False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell()
        if self._draining:
            self._refuse_more()

    def stop(self) -> None:
        """End as soon as what is being answered is."""
        self.should_exit = True

    def drain(self) -> None:
        """End when no connection is left: each is told to close with its next answer.

        Those that nobody uses close by themselves after the seconds for which any server keeps them.
        """
        if not self._draining:
            self._draining = True
            asyncio.get_running_loop().call_later(_GRACE_S, self.stop)
            if self.started:
                self._refuse_more()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # One accepted in this moment is not among the connections that are now told to close. It would be kept,
        # asked again and again, and cut off in the middle of an answer when the grace is over.
        if not self._draining:
            self._refuse_more()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or (self._draining and not self.server_state.connections)

    def _refuse_more(self) -> None:
        for server in self.servers:
            server.close()
        self.config.encoded_headers.append(_LAST)
        self.server_state.default_headers = [*self.server_state.default_headers, _LAST]

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
