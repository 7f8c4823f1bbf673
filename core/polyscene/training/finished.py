"""Runs that are over: recognized by the fingerprint of their config, with the score that training reached."""

from __future__ import annotations

from pathlib import Path

from polyscene.config.schema import TrainConfig
from polyscene.errors import CheckpointError
from polyscene.training.files import read_json
from polyscene.training.folder import CHECKPOINTS, FINGERPRINT, config_fingerprint
from polyscene.training.strategy import JOINT


def is_finished(folder: Path, config: TrainConfig) -> bool:
    """Whether a folder holds the results of a run with this config.

    ``metrics.json`` is written whole and last, so where it stands the run is over. A damaged file counts as none,
    and the run is then continued.
    """
    try:
        read_json(folder / "metrics.json")
        return read_json(folder / FINGERPRINT)["config"] == config_fingerprint(config)
    except (CheckpointError, KeyError, TypeError):
        return False


def validation_score(folder: Path) -> float | None:
    """The best score on validation rows, a mean over scenarios: of the joint model, else of all models of the run.

    It is what training stops by, and higher is better; test rows have no part in it. ``None`` without validation
    rows.
    """
    states = sorted((folder / CHECKPOINTS).glob("*/training.json"))
    states = [path for path in states if path.parent.name == JOINT] or states
    facts = [read_json(path) for path in states]
    bests = [float(one["best"]) for one in facts if one["scores"]]
    return sum(bests) / len(bests) if bests else None
