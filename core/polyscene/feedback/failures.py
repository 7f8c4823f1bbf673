"""What databases complain about, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from polyscene.errors import FeedbackError

_LOCKED = "others held the log for longer than {wait:g} s"
_FULL = "no space is left for the log"
_AGAIN = "nothing was half-written; {}, then repeat the call with the same event ids"
_SPACE = _AGAIN.format("free some space or raise the limit")
_RETRY = _AGAIN.format("wait a moment")
_SERVER = _AGAIN.format("see that the server runs and that address, name and password are right")
_RESTORE = "move it aside and restore a backup, or let a new log begin"

# The longest beginning of a code counts. SQLite's extended codes, and the SQLSTATE of PostgreSQL.
_REASONS = {
    "SQLITE_BUSY": (_LOCKED, _RETRY),
    "SQLITE_LOCKED": (_LOCKED, _RETRY),
    "SQLITE_FULL": (_FULL, _SPACE),
    "SQLITE_IOERR": ("the disk refuses: {said}", _SPACE),
    "SQLITE_READONLY": ("the log may not be written", "give this user the right to write the file and its folder"),
    "SQLITE_PERM": ("permission denied", "give this user the right to read and write the file and its folder"),
    "SQLITE_CANTOPEN": (
        "the file cannot be opened",
        "see that it and its folder exist and that this user may write to both",
    ),
    "SQLITE_CORRUPT": ("the file is damaged: {said}", _RESTORE),
    "SQLITE_NOTADB": ("the file is no SQLite database", "name another file, or " + _RESTORE),
    "08": ("the connection to the server was lost", _SERVER),
    "22": ("the database cannot keep this: {said}", "use a database with the encoding UTF8"),
    "25006": ("the server takes no writes: {said}", "name the server that does"),
    "28": ("the server lets nobody in by this name: {said}", _SERVER),
    "3D": ("there is no such database: {said}", "create it, or name another one"),
    "42501": ("permission denied: {said}", "grant this user the right to create, read and write tables"),
    "42P01": ("the tables of the log are gone: {said}", _RESTORE),
    "53": ("the server has run out of something: {said}", _SPACE),
    "53100": (_FULL, _SPACE),
    "55P03": (_LOCKED, _RETRY),
    "57": ("the server broke off: {said}", _RETRY),
    "58": ("the server's disk refuses: {said}", _SPACE),
    "XX": ("the server finds the log damaged: {said}", _RESTORE),
}


def locked(where: str, wait: float) -> FeedbackError:
    """What is said when others hold the log for too long."""
    return FeedbackError(_LOCKED.format(wait=wait), where=where, fix=_RETRY)


@contextmanager
def in_words(where: str, wait: float) -> Iterator[None]:
    """Turns what a database raises into a :class:`FeedbackError`.

    Args:
        where: the log's name in messages.
        wait: seconds that a call waits.
    """
    try:
        yield
    except SQLAlchemyError as problem:
        original = problem.orig if isinstance(problem, DBAPIError) else None
        said = str(original or problem).strip().partition("\n")[0]
        code = getattr(original, "sqlite_errorname", None) or getattr(original, "sqlstate", None) or ""
        matching = [known for known in _REASONS if code.startswith(known)]
        if matching:
            what, fix = _REASONS[max(matching, key=len)]
        elif original is not None and not code:  # a server that could not be reached has no code to give
            what, fix = "no server answers: {said}", _SERVER
        else:
            what, fix = "the database refuses: {said}", _RETRY
        raise FeedbackError(what.format(wait=wait, said=said), where=where, fix=fix) from problem
