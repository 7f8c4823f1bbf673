"""The record of an update: what a version says of how it came about, in ``update.json`` and the audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from polyscene.errors import ServingError
from polyscene.feedback import FeedbackLog
from polyscene.updating.config import UpdateConfig
from polyscene.updating.scenario import Updated


def facts_of(base: str, before: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """``update.json``: nothing of it depends on the time, so that the same update is the same version.

    Args:
        base: the version that learned.
        before: its ``update.json``.
        told: what is new, by scenario.
    """
    return {
        "number": before["number"] + 1,
        "parent": base,
        "root": before.get("root") or base,
        "scenarios": {**before["scenarios"], **told},
    }


def told_of(one: Updated, known: Mapping[str, Any], config: UpdateConfig) -> dict[str, Any]:
    """What is to be known of a scenario's update.

    Args:
        one: the update.
        known: what the one before left; empty for the first.
        config: its options.
    """
    learned_to, counted, first = known.get("to", 0), known.get("counted", 0), known.get("first")
    same = known if counted == one.counted and counted else vars(config)  # rows are counted as they were then
    return {
        "from": learned_to,
        "to": learned_to if one.counts_alone else one.prepared.learned_to,
        "counted": one.counted,
        "kinds": list(same["kinds"]),
        "positive_from": same["positive_from"],
        "seen": one.prepared.feedback.last,
        "first": first if first is not None else (one.kept.old if one.kept else None),
        "learned_rows": one.learned_rows,
        "held_rows": int(one.prepared.held_X.sum()),
        "passed": dict(+one.prepared.passed),
        "kept": None if one.kept is None else asdict(one.kept),
        "held": None if one.held is None else asdict(one.held),
        "lists": asdict(one.lists),
        "promote": one.decision.promote,
        "reasons": list(one.decision.reasons),
    }


def check_erased(log: FeedbackLog, name: str, number_X: np.ndarray) -> None:
    """Nothing that an update read may have been erased meanwhile.

    Raises:
        ServingError: some was.
    """
    read = log.read(int(number_X[0]) - 1, until=int(number_X[-1]), scenario=name)
    still = {logged.number for batch in read for logged in batch}
    if not still.issuperset(number_X.tolist()):
        raise ServingError(
            "events were erased while the update learned from them, so it is thrown away",
            where=f"scenario '{name}'",
            fix="run it again",
        )
