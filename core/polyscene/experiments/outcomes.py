"""What each user of an experiment was shown and did, from the log."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from polyscene.errors import ExperimentError, did_you_mean
from polyscene.feedback import Event, FeedbackLog, Reaction


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

    def ended(self, arm: str, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`rates` by when the user's window was over, and these times."""
        users = sorted(self.counted(arm), key=lambda user: user.first)
        return np.array([user.rate(kind) for user in users]), np.array(
            [user.first + self.window for user in users]
        )


class Tally:
    """Gathers the users of an experiment, event by event in the order of the log.

    Args:
        experiment: its name in the log.
        window: see :class:`Outcomes`.
        scenario: lists of this scenario only.
        early: reactions that are kept for a list that is not in the log yet; all if ``None``.
    """

    def __init__(
        self, experiment: str, window: float, scenario: str | None = None, early: int | None = None
    ) -> None:
        self.experiment, self.window, self.scenario = experiment, window, scenario
        self.others: set[str] = set()
        self._users: dict[str, UserOutcome] = {}
        self._shown: dict[str, _Shown] = {}
        self._early: deque[Reaction] = deque(maxlen=early)
        self._now = 0.0

    def add(self, event: Event) -> None:
        """Take in the next event."""
        self._now = max(self._now, event.time)
        if isinstance(event, Reaction):
            if event.impression in self._shown:
                self._shown[event.impression].add(event)
            elif event.impression is not None:
                self._early.append(event)
        elif event.experiment != self.experiment or event.arm is None:
            self.others |= {event.experiment} if event.experiment else set()
        elif self.scenario in (None, event.scenario):
            user = self._users.setdefault(event.user, UserOutcome(event.arm, event.time))
            user.moved |= user.arm != event.arm
            user.first = min(user.first, event.time)
            # The window only ever begins earlier than was thought, so what is beyond it now stays beyond it.
            if event.time < user.first + self.window:
                self._shown[event.event_id] = _Shown(user, event.time)

    def outcomes(self) -> Outcomes:
        """The users so far.

        Raises:
            ExperimentError: no list of the experiment was among the events.
        """
        if not self._users:
            raise ExperimentError(
                f"the log has no list of the experiment '{self.experiment}'",
                where="feedback log",
                fix=did_you_mean(self.experiment, sorted(self.others))
                if self.others
                else "it has none of any other experiment either",
            )
        for event in self._early:  # a reaction may be logged before the list that it belongs to
            if event.impression in self._shown:
                self._shown[event.impression].add(event)
        for user in self._users.values():
            user.lists, user.rewards = 0, {}
        for one in self._shown.values():
            one.count(self.window)
        return Outcomes({name: replace(user) for name, user in self._users.items()}, self._now, self.window)


@dataclass(slots=True)
class _Shown:
    """A list within its user's window, and when it first brought each kind of reaction."""

    user: UserOutcome
    time: float
    reacted: dict[str, float] | None = None

    def add(self, event: Reaction) -> None:
        self.reacted = self.reacted or {}
        self.reacted[event.kind] = min(event.time, self.reacted.get(event.kind, event.time))

    def count(self, window: float) -> None:
        end = self.user.first + window
        if self.time >= end:
            return
        self.user.lists += 1
        for kind, time in (self.reacted or {}).items():
            if time < end:
                self.user.rewards[kind] = self.user.rewards.get(kind, 0) + 1


def read_outcomes(log: FeedbackLog, experiment: str, window: float, scenario: str | None = None) -> Outcomes:
    """Gather the users of an experiment from a log.

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
    tally = Tally(experiment, window, scenario)
    for batch in log.read():
        for logged in batch:
            tally.add(logged.event)
    return tally.outcomes()
