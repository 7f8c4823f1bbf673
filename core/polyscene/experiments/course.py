"""The course of an experiment: what each look at it would have said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyscene.experiments.outcomes import Outcomes
from polyscene.experiments.report import Report, change_of
from polyscene.experiments.sequences import Interval

LOOKS = 60


@dataclass(frozen=True)
class Look:
    """What was known at a time.

    Args:
        time: in unix seconds.
        users: of both arms, whose window was over.
        change: the arm's rate of the reward minus that of the control.
    """

    time: float
    users: int
    change: Interval


def course(outcomes: Outcomes, report: Report, arm: str, looks: int = LOOKS) -> list[Look]:
    """The change of an arm from the control as it was at some times, evenly spaced over users, the latest last.

    Args:
        outcomes: the users.
        report: made of them.
        arm: one of its arms but the control.
        looks: how many times at most.
    """
    control = report.arms[0].arm
    (one_U, end_U), (other_V, end_V) = (outcomes.ended(name, report.reward) for name in (arm, control))
    end_W = np.sort(np.concatenate([end_U, end_V]))
    if not len(end_W):
        return []
    at_L = np.unique(np.linspace(0, len(end_W) - 1, looks).round().astype(int))
    found = []
    for time in end_W[at_L].tolist():
        n, m = np.searchsorted(end_U, time, side="right"), np.searchsorted(end_V, time, side="right")
        change = change_of(one_U[:n], other_V[:m], report.each, report.planned)
        found.append(Look(time, int(n + m), change))
    return found
