"""The part of an experiment to which an interaction belongs."""

from __future__ import annotations

from enum import IntEnum


class Phase(IntEnum):
    """What an interaction may be used for. Within a user, rows are kept in this order.

    TRAIN rows are learned from. KNOWN rows are the past of users kept out of training: seen as history
    when they are served, never trained on. VALIDATION chooses, TEST reports, and COLD rows belong to items
    that were kept out of everything before (the targets of the cold-item protocol).
    """

    TRAIN = 0
    KNOWN = 1
    VALIDATION = 2
    TEST = 3
    COLD = 4


BEFORE_TEST = (Phase.TRAIN, Phase.KNOWN, Phase.VALIDATION)
"""What is known when the test is asked: the past of users, and the rows that counting methods count."""
