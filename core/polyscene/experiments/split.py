"""Who sees what: users are dealt to the arms of an experiment by a hash."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from polyscene.errors import ConfigError, Problems


@dataclass(frozen=True)
class Experiment:
    """An experiment and its arms.

    The arm of a user is a function of name, salt and user alone: the same on every machine and after a restart,
    and independent of all other experiments, which deal the same users anew. Weights must stay as they are while
    it runs, or users change sides; begin another experiment instead.

    Args:
        name: names the experiment in the log.
        arms: the weight of each arm, in any unit; the first is the control that others are compared with.
        share: the share of users that take part; the others are in no arm.
        salt: deals anew under the same name.

    Raises:
        ConfigError: with all that is wrong at once.

    Example:
        >>> trial = Experiment("ranker", {"control": 1, "new": 1})
        >>> [trial.arm(user) for user in ("ann", "ben", "eve")]
        ['control', 'control', 'new']
    """

    name: str
    arms: Mapping[str, float]
    share: float = 1.0
    salt: str = ""

    def __post_init__(self) -> None:
        problems = Problems(f"experiment '{self.name}'")
        if not self.name:
            problems.add("it has no name", fix="give it one, under which the log keeps it")
        if len(self.arms) < 2:
            problems.add(f"it has {len(self.arms)} arms", fix="give a control and at least one other")
        for arm, weight in self.arms.items():
            if not (math.isfinite(weight) and weight > 0):
                problems.add(f"arm '{arm}' has the weight {weight}", fix="give a positive number")
        if not 0 < self.share <= 1:
            problems.add(f"its share of users is {self.share}", fix="give a number above 0 and at most 1")
        problems.raise_if_any(ConfigError)

    @property
    def shares(self) -> dict[str, float]:
        """The part of those who take part that each arm gets."""
        total = sum(self.arms.values())
        return {arm: weight / total for arm, weight in self.arms.items()}

    def arm(self, user: str) -> str | None:
        """The arm of a user, ``None`` for one who does not take part."""
        if self.share < 1 and self._at("part", user) >= self.share:
            return None
        at, reached = self._at("arm", user), 0.0
        for arm, share in self.shares.items():
            reached += share
            if at < reached:
                return arm
        return list(self.arms)[-1]  # the sum of shares is 1 up to rounding

    def _at(self, purpose: str, user: str) -> float:
        """A uniform number in [0, 1) for a user."""
        # Lengths keep ("ab", "c") apart from ("a", "bc").
        text = "".join(f"{len(part)}:{part}" for part in (purpose, self.salt, self.name, user))
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) * 2.0**-53
