"""A log in a SQLite file, in WAL mode with a sync at each commit: several processes, one machine, no server."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Connection

from polyscene.data.files import write_error
from polyscene.errors import FeedbackError
from polyscene.feedback.database import READING, Database
from polyscene.feedback.failures import in_words
from polyscene.feedback.sqlite_engine import FILE, file_identity, patiently, sqlite_engine

_PAUSE_S = 0.01


class SqliteDatabase(Database):
    """A SQLite file.

    Args:
        path: the file.
        wait: seconds that a call waits for other writers.
    """

    shared = False

    def __init__(self, path: Path, wait: float) -> None:
        super().__init__(sqlite_engine(path, wait), str(path), wait)
        self.path = path

    def prepare(self) -> None:
        """Write ahead. The mode is kept in the file; SQLite does not wait by itself where several change it."""

        def use() -> str:
            with self.engine.execution_options(**{READING: True}).connect() as connection:
                return connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar_one()

        with in_words(self.where, self.wait):
            mode = patiently(use, self.wait, _PAUSE_S)
        if mode != "wal":
            raise FeedbackError(
                f"SQLite cannot write ahead here (journal mode '{mode}')",
                where=self.where,
                fix="choose a local disk that may be written to, or a PostgreSQL server",
            )

    def check(self, connection: Connection) -> None:
        """Raise where the file was removed or replaced: what is written to a removed file is lost."""
        if connection.info[FILE] != file_identity(self.path):
            connection.invalidate()
            self.engine.dispose()
            raise FeedbackError(
                "the file was removed or replaced while it was open; nothing is acknowledged",
                where=self.where,
                fix="stop what uses the log, put the file back or let a new one begin, and start again",
            )

    def overwrite(self) -> None:
        """Copy the write-ahead log into the file, where deleted rows are zeros, and empty it."""
        with self.reading() as connection:
            busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        if busy:
            raise FeedbackError(
                "the events are deleted, but another process reads, so traces of them are left in the file "
                f"{self.path.name}-wal",
                where=self.where,
                fix="run this again when nobody reads",
            )


def open_sqlite(path: Path, *, create: bool, wait: float) -> SqliteDatabase:
    """Open a file, or make one.

    Raises:
        FeedbackError: there is none and none is to be made, it is something else, or the disk refuses.
    """
    path = path.absolute()
    try:
        if not path.exists():
            _make(path, create=create)
    except OSError as problem:
        raise write_error(problem, path, FeedbackError) from problem
    if path.is_dir():
        raise FeedbackError("this is a folder", where=str(path), fix=f"name a file, as {path / 'feedback.db'}")
    return SqliteDatabase(path, wait).open(create=create)


def _make(path: Path, *, create: bool) -> None:
    if not create:
        raise FeedbackError("there is no feedback log", where=str(path), fix="name the log with --log")
    if not path.parent.is_dir():
        raise FeedbackError("the log's folder does not exist", where=str(path.parent), fix="create it")
    # Nobody else's eyes: what users did is theirs.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
