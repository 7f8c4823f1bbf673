"""The tables of the feedback log, one schema for every database."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    insert,
    inspect,
    select,
)

from polyscene.errors import FeedbackError

VERSION = 2
_Long = BigInteger().with_variant(Integer, "sqlite")  # SQLite's INTEGER has 64 bits, and is the row's own key

_TABLES = MetaData()

STATE = Table(
    "feedback_state",
    _TABLES,
    Column("schema_version", Integer, nullable=False),
    Column("last", _Long, nullable=False),
    Column("last_reaction", _Long, nullable=False),
)
"""One row. Whoever appends locks it, which gives numbers in the order of commits, without gaps."""

EVENTS = Table(
    "feedback_events",
    _TABLES,
    Column("number", _Long, primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("time", Double, nullable=False),
    Column("scenario", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("content", Text, nullable=False),  # JSON of what only some kinds have
    Index("feedback_events_of_user", "user_id"),
)


def is_there(connection: Connection, where: str, *, shared: bool) -> bool:
    """Whether a database holds a log of this version.

    Args:
        connection: to the database.
        where: its name in messages.
        shared: whether others may keep tables of theirs in the same database.

    Raises:
        FeedbackError: it holds a log of another version, or something else.
    """
    found = inspect(connection)
    names = set(found.get_table_names())
    ours = names & set(_TABLES.tables)
    if not ours:
        if names and not shared:
            raise _foreign(where, f"a table '{min(names)}'")
        return False
    for table in _TABLES.tables.values():
        columns = {column["name"] for column in found.get_columns(table.name)} if table.name in names else set()
        missing = [column.name for column in table.columns if column.name not in columns]
        # A log of another version says so itself, whatever else it holds.
        if table is STATE and "schema_version" not in missing:
            _check_version(connection, where)
        if missing:
            raise _foreign(where, f"no '{missing[0]}' in '{table.name}'")
    return True


def create(connection: Connection) -> None:
    """Make an empty log."""
    _TABLES.create_all(connection)
    connection.execute(insert(STATE).values(schema_version=VERSION, last=0, last_reaction=0))


def _check_version(connection: Connection, where: str) -> None:
    versions = connection.execute(select(STATE.c.schema_version)).scalars().all()
    if len(versions) != 1:
        raise _foreign(where, f"{len(versions)} rows in '{STATE.name}' in place of one")
    if versions[0] != VERSION:
        raise FeedbackError(
            f"the log has schema version {versions[0]}, this Polyscene reads {VERSION}",
            where=where,
            fix="use the Polyscene that wrote it" + (", or a newer one" if versions[0] > VERSION else ""),
        )


def _foreign(where: str, found: str) -> FeedbackError:
    return FeedbackError(
        f"this is no feedback log: there is {found}", where=where, fix="name another file or database"
    )
