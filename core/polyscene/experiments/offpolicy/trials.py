"""Lists of the log with what they brought, and what another policy would have shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from polyscene.errors import ExperimentError
from polyscene.experiments.offpolicy.target import Target
from polyscene.feedback import FeedbackLog, Impression, Reaction


@dataclass(frozen=True)
class Trials:
    """R shown items.

    Args:
        user_R, list_R: int64, whom it was shown to and in which list, counted from 0.
        place_R: int64, its place, 0 for the first.
        chance_R: the probability with which it was shown there.
        target_R: the probability with which the other policy would have shown it there.
        reward_R: what it brought.
        feature_Rf, mean_Rf: see :class:`Target`; ``None`` without a direct model.
    """

    user_R: np.ndarray
    list_R: np.ndarray
    place_R: np.ndarray
    chance_R: np.ndarray
    target_R: np.ndarray
    reward_R: np.ndarray
    feature_Rf: np.ndarray | None = None
    mean_Rf: np.ndarray | None = None


def read_trials(
    log: FeedbackLog, targets: Mapping[str, Target], reward: str = "click", places: int | None = None
) -> Trials:
    """The lists of the log that a target is given for.

    Args:
        log: the feedback log.
        targets: what the other policy would have done, by ``event_id``.
        reward: the kind of reaction that counts, once for each item of a list.
        places: how many places from the first on are looked at; all if ``None``, 1 for the first alone.

    Raises:
        ExperimentError: lists have no propensities, targets do not fit their lists, or there is none.
    """
    shown: dict[str, Impression] = {}
    rewarded: set[tuple[str | None, str]] = set()
    for batch in log.read():
        for event in (logged.event for logged in batch):
            if isinstance(event, Reaction):
                if event.kind == reward:
                    rewarded.add((event.impression, event.item))
            elif event.event_id in targets:
                shown[event.event_id] = event
    _check(shown, targets)
    users: dict[str, int] = {}
    rows, features, means = [], [], []
    for number, (event_id, event) in enumerate(shown.items()):
        target, user = targets[event_id], users.setdefault(event.user, len(users))
        for place, item in enumerate(event.items[:places]):
            assert event.propensities is not None, "checked above"
            brought = float((event_id, item) in rewarded)
            rows.append((user, number, place, event.propensities[place], target.chance_k[place], brought))
            if target.feature_kf is not None and target.mean_kf is not None:
                features.append(target.feature_kf[place])
                means.append(target.mean_kf[place])
    columns = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    user_R, list_R, place_R = columns[:3].astype(np.int64)
    told = (np.stack(features), np.stack(means)) if features else (None, None)
    return Trials(user_R, list_R, place_R, columns[3], columns[4], columns[5], *told)


def _check(shown: Mapping[str, Impression], targets: Mapping[str, Target]) -> None:
    if not shown:
        raise ExperimentError(
            f"none of the {len(targets)} lists that were asked for is in the log",
            where="feedback log",
            fix="give targets by the event_id of impressions of this log",
        )
    bare = [event_id for event_id, event in shown.items() if event.propensities is None]
    if bare:
        raise ExperimentError(
            f"{len(bare)} of {len(shown)} lists have no propensities, the first of them '{bare[0]}'",
            where="feedback log",
            fix="log them (policies give them), or leave these lists out of the targets",
        )
    for event_id, event in shown.items():
        if len(targets[event_id].chance_k) != len(event.items):
            raise ExperimentError(
                f"list '{event_id}' has {len(event.items)} items, its target {len(targets[event_id].chance_k)}",
                where="targets",
                fix="give a probability for each item that was shown, in the same order",
            )
    widths = {None if t.feature_kf is None else t.feature_kf.shape[1] for t in (targets[one] for one in shown)}
    if len(widths) > 1:
        raise ExperimentError("targets differ in their features", where="targets", fix="give all lists the same")
