"""Feedback: what was shown and what users did, in a log that is durable before it is acknowledged.

:func:`open_log` opens a :class:`FeedbackLog`, by default a SQLite file; it keeps an :class:`Impression` for every
list that was shown and a :class:`Reaction` for what a user did.
"""

from __future__ import annotations

from polyscene.feedback.events import KINDS, NOBODY, REACTIONS, Event, Impression, Kind, Reaction, ReactionKind
from polyscene.feedback.log import WAIT_S, Appended, Counted, FeedbackLog, Logged, open_log
from polyscene.feedback.mapping import from_mapping, to_mapping

__all__ = [
    "KINDS",
    "NOBODY",
    "REACTIONS",
    "WAIT_S",
    "Appended",
    "Counted",
    "Event",
    "FeedbackLog",
    "Impression",
    "Kind",
    "Logged",
    "Reaction",
    "ReactionKind",
    "from_mapping",
    "open_log",
    "to_mapping",
]
