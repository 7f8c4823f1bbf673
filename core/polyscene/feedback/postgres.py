"""A log on a PostgreSQL server: several machines."""

from __future__ import annotations

import logging
import math
from typing import Any

from sqlalchemy import URL, create_engine, event, text

from polyscene.errors import FeedbackError
from polyscene.feedback import schema
from polyscene.feedback.database import Database

# What goes wrong is told by errors; psycopg's warnings beside them are for whoever sets up logging.
logging.getLogger("psycopg").addHandler(logging.NullHandler())
_CREATION = 0x706F6C79  # the key of the lock under which a log is made


def open_postgres(url: URL, *, create: bool, wait: float) -> Database:
    """Open the log on a server, or make one.

    Raises:
        FeedbackError: the server cannot be reached, or holds no log and none is to be made.
    """
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        # Each statement sees what others committed before it, also while this one waited for their lock.
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,  # a server that was started anew is not noticed
        pool_timeout=wait,
        connect_args={"connect_timeout": max(2, math.ceil(wait)), "tcp_user_timeout": int(wait * 1000)},
    )

    @event.listens_for(engine, "connect")
    def settings(connection: Any, _: object) -> None:
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{int(wait * 1000)}ms"])
        # A server may be told to acknowledge before it writes; a log may not.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()

    database = Database(engine, url.render_as_string(hide_password=True), wait)
    try:
        with database.reading() as connection:
            there = schema.is_there(connection, database.where, shared=True)
        if not there:
            _fill(database, create=create)
    except BaseException:
        database.close()
        raise
    return database


def _fill(database: Database, *, create: bool) -> None:
    if not create:
        raise FeedbackError(
            "there is no feedback log", where=database.where, fix="name the log's database with --log"
        )
    with database.writing() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATION})
        # Another process may have been quicker.
        if not schema.is_there(connection, database.where, shared=True):
            schema.create(connection)
