"""A log in a SQLite file, in WAL mode with a sync at each commit: several processes, one machine, no server."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import OperationalError

from polyscene.data.files import write_error
from polyscene.errors import FeedbackError
from polyscene.feedback import schema
from polyscene.feedback.database import READING, Database
from polyscene.feedback.failures import in_words

_FILE = "file"
_PAUSE_S = 0.01


class SqliteDatabase(Database):
    """A SQLite file.

    Args:
        path: the file.
        wait: seconds that a call waits for other writers.
    """

    def __init__(self, path: Path, wait: float) -> None:
        super().__init__(_engine(path, wait), str(path), wait)
        self.path = path

    def check(self, connection: Connection) -> None:
        """Raise where the file was removed or replaced: what is written to a removed file is lost."""
        if connection.info[_FILE] != _identity(self.path):
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
    database = SqliteDatabase(path, wait)
    try:
        _use_write_ahead_log(database)
        with database.reading() as connection:
            there = schema.is_there(connection, database.where, shared=False)
        if not there:
            _fill(database, create=create)
    except BaseException:
        database.close()
        raise
    return database


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


def _fill(database: SqliteDatabase, *, create: bool) -> None:
    if not create:
        raise FeedbackError("the file is empty", where=database.where, fix="name the log with --log")
    with database.writing() as connection:
        # Another process may have been quicker.
        if not schema.is_there(connection, database.where, shared=False):
            schema.create(connection)


def _use_write_ahead_log(database: SqliteDatabase) -> None:
    """The mode is kept in the file. SQLite does not wait by itself where several processes change it at once."""
    until = time.monotonic() + database.wait
    mode = ""
    while not mode:
        with in_words(database.where, database.wait):
            try:
                with database.engine.execution_options(**{READING: True}).connect() as connection:
                    mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar_one()
            except OperationalError as problem:
                busy = getattr(problem.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_S)
    if mode != "wal":
        raise FeedbackError(
            f"SQLite cannot write ahead here (journal mode '{mode}')",
            where=database.where,
            fix="choose a local disk that may be written to, or a PostgreSQL server",
        )


def _engine(path: Path, wait: float) -> Engine:
    def connect() -> sqlite3.Connection:
        # mode=rw: a file that was removed is missed, not made anew. No isolation level: transactions begin below.
        address = f"file:{quote(str(path))}?mode=rw"
        connection = sqlite3.connect(
            address, uri=True, timeout=wait, isolation_level=None, check_same_thread=False
        )
        for setting in ("synchronous = FULL", "fullfsync = ON", "secure_delete = ON"):
            connection.execute(f"PRAGMA {setting}")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_timeout=wait)
    event.listen(engine, "connect", lambda _, record: record.info.update({_FILE: _identity(path)}))
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    # Writers take the lock at once: a reader that becomes a writer halfway could be refused without a wait.
    if not connection.get_execution_options().get(READING):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
