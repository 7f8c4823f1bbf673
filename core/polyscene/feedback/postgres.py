"""A log on a PostgreSQL server: several machines."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, text

from polyscene.feedback.database import Database

_CREATION = 0x706F6C79  # the key of the lock under which a log is made


class PostgresDatabase(Database):
    """A server's database, which the log may share with others."""

    def alone(self, connection: Connection) -> None:
        """Keep others from making a log until this transaction ends."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATION})


def open_postgres(url: URL, *, create: bool, wait: float) -> PostgresDatabase:
    """Open the log on a server, or make one.

    Raises:
        FeedbackError: the server cannot be reached, or holds no log and none is to be made.
    """
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        # Each statement sees what others committed before it, also while this one waited for their lock.
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # messages name nobody
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

    return PostgresDatabase(engine, url.render_as_string(hide_password=True), wait).open(create=create)
