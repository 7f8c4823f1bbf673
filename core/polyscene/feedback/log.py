"""The feedback log: what may be asked of it, and how it is opened."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from polyscene.errors import FeedbackError
from polyscene.feedback.events import Event, Kind

WAIT_S = 10.0
"""How long a call waits for others, or for a server, before it gives up."""


@dataclass(frozen=True)
class Appended:
    """What became of the events of one call: ``new`` were written, ``known`` were there before."""

    new: int
    known: int


@dataclass(frozen=True)
class Logged:
    """An event and its number in the log."""

    number: int
    event: Event


@dataclass(frozen=True)
class Counted:
    """Events of one kind in one scenario: how many, of how many users, with the earliest and latest time."""

    scenario: str
    kind: str
    events: int
    users: int
    first: float
    last: float


class FeedbackLog(Protocol):
    """Events in the order in which they were acknowledged. Threads and processes may share a log.

    Every method raises :class:`polyscene.errors.FeedbackError` where the log cannot be reached, is locked for
    longer than the stated wait, full or damaged; nothing is then half-written, and the next call tries anew.
    """

    def append(self, events: Sequence[Event]) -> Appended:
        """Write events, all or none; they are on disk when this returns.

        An event that the log knows by its ``event_id`` is not written again. Its time may differ, since a retry
        may be stamped anew (the first one stays); where anything else does, the call is refused by a
        :class:`polyscene.errors.ConflictError`. After any other error it is unknown whether the events were
        written: repeat the call with the same ids.
        """
        ...

    def read(
        self,
        after: int = 0,
        *,
        until: int | None = None,
        scenario: str | None = None,
        kinds: Collection[Kind] = (),
        batch: int = 1000,
    ) -> Iterator[list[Logged]]:
        """Events by rising number, in lists of at most ``batch``.

        Numbers rise in the order of acknowledgement and none is used twice, so the number of the last event read
        is a cursor: whoever goes on after it misses nothing and gets nothing twice.

        Args:
            after: the cursor; 0 for the beginning.
            until: the last number wanted; the log's last at the time of the call when ``None``.
            scenario: only this one; all if ``None``.
            kinds: only these; all if empty.
            batch: events of one list.
        """
        ...

    def last(self) -> int:
        """The number of the last event, also of one that was erased since; 0 where there never was one."""
        ...

    def last_reaction(self) -> int:
        """As :meth:`last`, of the last event that is no impression: of most lists nothing else comes."""
        ...

    def counts(self) -> list[Counted]:
        """What the log holds, by scenario and kind."""
        ...

    def export(self, user: str) -> list[Logged]:
        """All events of a user."""
        ...

    def erase(self, user: str) -> int:
        """Remove all events of a user for good; returns how many. Their numbers are not used again."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def open_log(url: str, *, create: bool = True, wait: float = WAIT_S) -> FeedbackLog:
    """Open the log at an address.

    Args:
        url: ``sqlite:///PATH`` or a path, or ``postgresql://USER@HOST/DATABASE``.
        create: make a log where there is none; its folder or database must exist.
        wait: seconds that a call waits for other writers or the server.

    Raises:
        FeedbackError: there is no such place, it holds something else or a newer log, or the extra is missing.
    """
    try:
        from polyscene.feedback.place import open_database
        from polyscene.feedback.sql import SqlLog
    except ModuleNotFoundError as missing:
        raise FeedbackError(
            f"the feedback log needs a package that is not installed: {missing.name}",
            where="feedback log",
            fix='pip install -c constraints.txt -e ".[serve]" (or "polyscene[serve]")',
        ) from None
    return SqlLog(open_database(url, create=create, wait=wait))
