"""Connections to a SQLite file that wait for each other and write through to the disk."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import OperationalError

from polyscene.feedback.database import READING

T = TypeVar("T")
FILE = "file"
"""Key of a connection's own notes: which file it opened."""


def sqlite_engine(path: Path, wait: float) -> Engine:
    """An engine for a file that is there; waits for others for so many seconds."""

    def connect() -> sqlite3.Connection:
        # mode=rw: a file that was removed is missed, not made anew. No isolation level: transactions begin below.
        address = f"file:{quote(str(path))}?mode=rw"
        connection = sqlite3.connect(
            address, uri=True, timeout=wait, isolation_level=None, check_same_thread=False
        )
        for setting in ("synchronous = FULL", "fullfsync = ON", "secure_delete = ON"):
            connection.execute(f"PRAGMA {setting}")
        return connection

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_timeout=wait, hide_parameters=True
    )
    event.listen(engine, "connect", lambda _, record: record.info.update({FILE: file_identity(path)}))
    event.listen(engine, "begin", partial(_begin, wait=wait))
    return engine


def _begin(connection: Connection, wait: float) -> None:
    """Writers take the lock at once: a reader that becomes a writer halfway could be refused without a wait."""
    if connection.get_execution_options().get(READING):
        return
    # SQLite itself looks ever less often the longer it waits, and is overtaken by whoever comes anew.
    connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    try:
        patiently(lambda: connection.exec_driver_sql("BEGIN IMMEDIATE"), wait)
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(wait * 1000)}")


def patiently(ask: Callable[[], T], wait: float, pause: float = 0) -> T:
    """What SQLite answers, asked again while the file is locked."""
    until = time.monotonic() + wait
    while True:
        try:
            return ask()
        except OperationalError as problem:
            locked = getattr(problem.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not locked or time.monotonic() > until:
                raise
            time.sleep(pause)


def file_identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at a path now; ``None`` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
