"""A database that holds a log: transactions whose failures are told in words."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from sqlalchemy import Connection, Engine

from polyscene.errors import FeedbackError
from polyscene.feedback import schema
from polyscene.feedback.failures import in_words, locked

# What goes wrong is told by errors; what the libraries say beside them is for whoever sets up logging.
for _name in ("sqlalchemy", "psycopg"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

READING = "reading"
"""Execution option of connections that only read."""


class Database:
    """What the databases have in common.

    Args:
        engine: makes connections; a transaction that it begins may write, and is durable when committed.
        where: the log's name in messages, without a password.
        wait: seconds that a call waits for others.
    """

    shared = True
    """Whether others may keep tables of theirs beside the log's."""

    def __init__(self, engine: Engine, where: str, wait: float) -> None:
        self.engine, self.where, self.wait = engine, where, wait
        self._reader = engine.execution_options(**{READING: True})
        self._turn = threading.Lock()

    def open(self, *, create: bool) -> Self:
        """See to it that there is a log, and give the database.

        Raises:
            FeedbackError: there is none and none is to be made, or the database cannot be used.
        """
        try:
            self.prepare()
            with self.reading() as connection:
                there = schema.is_there(connection, self.where, shared=self.shared)
            if not there:
                self._fill(create=create)
        except BaseException:
            self.close()
            raise
        return self

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

    def prepare(self) -> None:
        """What is to be done before a log is looked for."""

    def alone(self, connection: Connection) -> None:
        """Keep others from making a log until this transaction ends, where writing alone does not."""

    def check(self, connection: Connection) -> None:
        """Raise where a connection does not lead to the log any more."""

    def overwrite(self) -> None:
        """See to it that what was deleted cannot be read from the disk."""

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def _fill(self, *, create: bool) -> None:
        if not create:
            raise FeedbackError("there is no feedback log", where=self.where, fix="name the log with --log")
        with self.writing() as connection:
            self.alone(connection)
            # Another process may have been quicker.
            if not schema.is_there(connection, self.where, shared=self.shared):
                schema.create(connection)
