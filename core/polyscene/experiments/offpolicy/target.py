"""What another policy would have done, for each list of the log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyscene.errors import ExperimentError

_FIX = 'each line is like {"event_id": "shown-1", "propensities": [0.9, 0.05]}'


@dataclass(frozen=True)
class Target:
    """What another policy would have done where a list was shown.

    Args:
        chance_k: the probability with which it would have put each shown item at the place where it was shown.
        feature_kf: features of each shown item in its context, for the direct model; ``None`` without one.
        mean_kf: the mean of these features over what the other policy would have put at each place.
    """

    chance_k: np.ndarray
    feature_kf: np.ndarray | None = None
    mean_kf: np.ndarray | None = None


def read_targets(path: Path) -> dict[str, Target]:
    """Targets by the ``event_id`` of the impression, from a file of JSON lines.

    A line has ``event_id`` and ``propensities``, and for doubly robust estimates ``features`` and
    ``mean_features``, a list of numbers for each place.

    Raises:
        ExperimentError: the file is missing, or a line is not like that; the first such line is named.
    """
    if not path.is_file():
        raise ExperimentError("there is no such file", where=str(path), fix=f"give a file of JSON lines: {_FIX}")
    found: dict[str, Target] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            event_id, target = str(entry["event_id"]), _target(entry)
        except (ValueError, KeyError, TypeError) as error:
            reason = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
            raise ExperimentError(f"line {number} cannot be read: {reason}", where=str(path), fix=_FIX) from None
        if event_id in found:
            raise ExperimentError(
                f"line {number} repeats '{event_id}'", where=str(path), fix="give each list once"
            )
        found[event_id] = target
    return found


def _target(entry: dict) -> Target:
    chance_k = np.array(entry["propensities"], dtype=np.float64)
    if chance_k.ndim != 1 or not ((chance_k >= 0) & (chance_k <= 1)).all():
        raise ValueError("propensities are not numbers from 0 to 1")
    if "features" not in entry and "mean_features" not in entry:
        return Target(chance_k)
    feature_kf, mean_kf = (np.array(entry[key], dtype=np.float64) for key in ("features", "mean_features"))
    if feature_kf.ndim != 2 or feature_kf.shape != mean_kf.shape or len(feature_kf) != len(chance_k):
        raise ValueError("features and mean_features are not lists of equally many numbers for each place")
    return Target(chance_k, feature_kf, mean_kf)
