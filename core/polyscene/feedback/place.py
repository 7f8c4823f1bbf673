"""Which database an address means."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from polyscene.errors import FeedbackError
from polyscene.feedback.database import Database
from polyscene.feedback.postgres import open_postgres
from polyscene.feedback.sqlite import open_sqlite

_KINDS = "sqlite:///PATH, a path, or postgresql://USER@HOST/DATABASE"


def open_database(url: str, *, create: bool, wait: float) -> Database:
    """Open the database at an address; see :func:`polyscene.feedback.log.open_log`."""
    if "://" not in url:
        if url in ("", ":memory:"):
            raise FeedbackError(f"'{url}' names no file", where="feedback log", fix=_KINDS)
        return open_sqlite(Path(url), create=create, wait=wait)
    scheme = url.partition("://")[0]
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The address may hold a password, so it is not repeated.
        raise FeedbackError(
            f"what follows '{scheme}://' cannot be read", where="feedback log", fix=f"give {_KINDS}"
        ) from None
    if scheme == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise FeedbackError("the address names no file", where="feedback log", fix="as sqlite:///feedback.db")
        return open_sqlite(Path(str(parsed.database)), create=create, wait=wait)
    if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        return open_postgres(parsed, create=create, wait=wait)
    raise FeedbackError(f"there is no log at '{scheme}://'", where="feedback log", fix=f"give {_KINDS}")
