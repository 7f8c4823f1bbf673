"""What an experiment brought, arm against control, at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from polyscene.errors import ConfigError, Problems, did_you_mean
from polyscene.experiments.outcomes import Outcomes
from polyscene.experiments.ratio import LEVEL as RATIO_LEVEL
from polyscene.experiments.ratio import ratio_p_value
from polyscene.experiments.sequences import Interval, difference_sequence
from polyscene.feedback import REACTIONS

Decision = Literal["control", "keep looking", "better", "worse", "stopped by guardrail", "invalid by sample ratio"]
LEAST_USERS = 100
LEAST_REACTED = 20
_MOVED = 0.01
_UNWANTED = ("skip",)


@dataclass(frozen=True)
class Guardrail:
    """A kind of reaction whose rate may not get worse by more than ``by``: fall, or for skips rise."""

    kind: str
    by: float

    def broken(self, change: Interval) -> bool:
        """Whether the change from the control is beyond the limit for certain."""
        return change.low > self.by if self.kind in _UNWANTED else change.high < -self.by


@dataclass(frozen=True)
class ArmReport:
    """One arm.

    Args:
        arm: its name.
        users: users seen, of whom ``counted`` have been observed for the whole window.
        lists: lists shown to those.
        rates: by kind, the mean over users of the part of their lists that brought such a reaction.
        changes: by kind, the rate minus that of the control; empty for the control.
        decision: what to do with it.
    """

    arm: str
    users: int
    counted: int
    lists: int
    rates: Mapping[str, float]
    changes: Mapping[str, Interval]
    decision: Decision


@dataclass(frozen=True)
class Report:
    """An experiment.

    Args:
        arms: the control first.
        reward: the kind of reaction that decides.
        ratio: p-value of the sample-ratio check.
        moved: users who were seen in several arms, and are left out.
        level: how often any interval of the report may miss at any time.
        each: how often this one may.
        planned: users at which intervals are narrowest.
    """

    arms: tuple[ArmReport, ...]
    reward: str
    ratio: float
    moved: int
    level: float
    each: float
    planned: float


def make_report(
    outcomes: Outcomes,
    shares: Mapping[str, float],
    *,
    reward: str = "click",
    guardrails: Sequence[Guardrail] = (),
    level: float = 0.05,
    planned: float = 10_000,
) -> Report:
    """Compare the arms of an experiment with the first one.

    All intervals together hold at all times with a probability of ``1 - level`` (shared out evenly among arms and
    kinds), so one may look as often as one likes and stop at a decision. Until each side has 100 users, and 20
    of them reacted, intervals are infinite: they rest on the central limit theorem.

    Args:
        outcomes: see :func:`polyscene.experiments.outcomes.read_outcomes`.
        shares: the part of users that each arm should get, the control first; sums to 1.
        reward: the kind of reaction that decides.
        guardrails: what may not get worse meanwhile.
        level: how often any interval may miss.
        planned: users at which intervals are narrowest.

    Raises:
        ConfigError: an arm, kind or level is not one.
    """
    _check(outcomes, shares, [reward, *(one.kind for one in guardrails)], level)
    control, *others = shares
    kinds = list(dict.fromkeys([reward, *(one.kind for one in guardrails)]))
    each = level / (len(others) * len(kinds))
    moved = sum(user.moved for user in outcomes.users.values())
    ratio = ratio_p_value([outcomes.seen(arm) for arm in shares], list(shares.values()))
    valid = ratio >= RATIO_LEVEL and moved <= _MOVED * len(outcomes.users)
    arms = []
    for arm in shares:
        rates = {kind: outcomes.rates(arm, kind) for kind in kinds}
        changes = (
            {}
            if arm == control
            else {kind: change_of(rates[kind], outcomes.rates(control, kind), each, planned) for kind in kinds}
        )
        decision = _decision(changes, reward, guardrails) if valid else "invalid by sample ratio"
        means = {kind: float(rate_U.mean()) if len(rate_U) else float("nan") for kind, rate_U in rates.items()}
        seen, counted = outcomes.seen(arm), len(rates[reward])
        arms.append(ArmReport(arm, seen, counted, outcomes.lists(arm), means, changes, decision))
    return Report(tuple(arms), reward, ratio, moved, level, each, planned)


def change_of(one_U: np.ndarray, other_U: np.ndarray, level: float, planned: float) -> Interval:
    """As :func:`difference_sequence`, without bounds for too few users."""
    found = difference_sequence(one_U, other_U, level, planned)
    enough = min(len(one_U), len(other_U)) >= LEAST_USERS
    if enough and min((one_U > 0).sum(), (other_U > 0).sum()) >= LEAST_REACTED:
        return found
    return Interval(found.estimate, float("-inf"), float("inf"))


def _decision(changes: Mapping[str, Interval], reward: str, guardrails: Sequence[Guardrail]) -> Decision:
    if not changes:
        return "control"
    if any(one.broken(changes[one.kind]) for one in guardrails):
        return "stopped by guardrail"
    sign = -1 if reward in _UNWANTED else 1
    if changes[reward].low > 0:
        return "better" if sign > 0 else "worse"
    if changes[reward].high < 0:
        return "worse" if sign > 0 else "better"
    return "keep looking"


def _check(outcomes: Outcomes, shares: Mapping[str, float], kinds: Sequence[str], level: float) -> None:
    problems = Problems("experiment report")
    if len(shares) < 2:
        problems.add("there is nothing to compare", fix="give a control and at least one other arm")
    for arm in sorted(set(outcomes.arms()) - shares.keys()):
        problems.add(f"the log has an arm '{arm}' that is not among those of the report", fix="name all arms")
    for kind in kinds:
        if kind not in REACTIONS:
            problems.add(f"there is no kind of reaction '{kind}'", fix=did_you_mean(kind, REACTIONS))
    if not 0 < level < 0.5:
        problems.add(f"the level is {level}", fix="give a number above 0 and below 0.5, such as 0.05")
    problems.raise_if_any(ConfigError)
