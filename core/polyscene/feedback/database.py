"""A database that holds a log: transactions whose failures are told in words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from polyscene.feedback.failures import in_words, locked

READING = "reading"
"""Execution option of connections that only read."""


class Database:
    """What the databases have in common.

    Args:
        engine: makes connections; a transaction that it begins may write, and is durable when committed.
        where: the log's name in messages, without a password.
        wait: seconds that a call waits for others.
    """

    def __init__(self, engine: Engine, where: str, wait: float) -> None:
        self.engine, self.where, self.wait = engine, where, wait
        self._reader = engine.execution_options(**{READING: True})
        self._turn = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that reads."""
        with in_words(self.where, self.wait), self._reader.connect() as connection:
            self.check(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: on disk when the block has ended, or not at all where it raises."""
        # One writes at a time in any case. Those who wait for SQLite look again now and then, and some starve, so
        # threads of a process had better wait here.
        if not self._turn.acquire(timeout=self.wait):
            raise locked(self.where, self.wait)
        try:
            with in_words(self.where, self.wait), self.engine.connect() as connection:
                with connection.begin():
                    yield connection
                self.check(connection)
        finally:
            self._turn.release()

    def check(self, connection: Connection) -> None:
        """Raise where a connection does not lead to the log any more."""

    def overwrite(self) -> None:
        """See to it that what was deleted cannot be read from the disk."""

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()
