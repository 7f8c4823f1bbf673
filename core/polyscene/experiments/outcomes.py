"""What each user of an experiment was shown and did, from the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from polyscene.errors import ExperimentError, did_you_mean
from polyscene.feedback import FeedbackLog, Impression, Reaction


@dataclass
class UserOutcome:
    """One user of an experiment.

    Args:
        arm: where the user was first.
        first: time of the first list.
        lists: lists shown within the window.
        rewards: of these lists, how many brought a reaction of each kind.
        moved: whether the user was seen in another arm as well.
    """

    arm: str
    first: float
    lists: int = 0
    rewards: dict[str, int] = field(default_factory=dict)
    moved: bool = False

    def rate(self, kind: str) -> float:
        """The part of the user's lists that brought a reaction of a kind."""
        return self.rewards.get(kind, 0) / self.lists


@dataclass(frozen=True)
class Outcomes:
    """The users of an experiment.

    Args:
        users: by name.
        now: time of the last event of the log.
        window: seconds after a user's first list in which lists, and reactions to them, count.
    """

    users: dict[str, UserOutcome]
    now: float
    window: float

    def arms(self) -> list[str]:
        return sorted({user.arm for user in self.users.values()})

    def seen(self, arm: str) -> int:
        """Users of an arm, also those whose window is open."""
        return sum(user.arm == arm for user in self.users.values())

    def lists(self, arm: str) -> int:
        return sum(user.lists for user in self.counted(arm))

    def counted(self, arm: str) -> list[UserOutcome]:
        """Users of an arm whose window is over and who were in no other arm."""
        return [
            user
            for user in self.users.values()
            if user.arm == arm and not user.moved and user.first + self.window <= self.now
        ]

    def rates(self, arm: str, kind: str) -> np.ndarray:
        """:meth:`UserOutcome.rate` of each user that counts."""
        return np.array([user.rate(kind) for user in self.counted(arm)])


def read_outcomes(log: FeedbackLog, experiment: str, window: float, scenario: str | None = None) -> Outcomes:
    """Gather the users of an experiment.

    What one user does at one time is not independent of what the same user does at another, and users are what was
    dealt to arms; so each is one observation. A user counts when ``window`` seconds have passed since the first
    list, with the lists of this time: later ones change nothing, as intervals that hold at any time require.

    Args:
        log: the feedback log.
        experiment: its name in the log.
        window: seconds that each user is observed.
        scenario: lists of this scenario only.

    Raises:
        ExperimentError: the log has no list of this experiment.
    """
    users: dict[str, UserOutcome] = {}
    shown: dict[str, tuple[UserOutcome, float, set[str]]] = {}
    others: set[str] = set()
    now = 0.0
    waiting: list[Reaction] = []
    for event in _events(log):
        now = max(now, event.time)
        if isinstance(event, Reaction):
            if event.impression is not None:
                waiting.append(event)
        elif event.experiment != experiment or event.arm is None:
            others |= {event.experiment} if event.experiment else set()
        elif scenario in (None, event.scenario):
            user = users.setdefault(event.user, UserOutcome(event.arm, event.time))
            user.moved |= user.arm != event.arm
            user.first = min(user.first, event.time)
            shown[event.event_id] = (user, event.time, set())
    if not users:
        raise ExperimentError(
            f"the log has no list of the experiment '{experiment}'",
            where="feedback log",
            fix=did_you_mean(experiment, sorted(others))
            if others
            else "it has none of any other experiment either",
        )
    for user, time, _ in shown.values():
        user.lists += time < user.first + window
    # A reaction may be logged before the list that it belongs to.
    for event in waiting:
        if event.impression in shown:
            user, time, known = shown[event.impression]
            if max(time, event.time) < user.first + window and event.kind not in known:
                known.add(event.kind)
                user.rewards[event.kind] = user.rewards.get(event.kind, 0) + 1
    return Outcomes(users, now, window)


def _events(log: FeedbackLog) -> Iterator[Impression | Reaction]:
    for batch in log.read():
        for logged in batch:
            yield logged.event
