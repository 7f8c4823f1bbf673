"""What each model of a transfer run found: one file for each, written when the model is finished."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from polyscene.training.files import read_json, write_json


@dataclass(frozen=True)
class Found:
    """The results of one model, or of one control, which needs no seed.

    Args:
        label: the row, or the control.
        seed: the seed of the model, None for a control.
        results: result rows of all scenarios, as in metrics.json; ``method`` is the label.
        validation: the score on validation rows that training is steered by, by scenario.
        seconds: time spent in training.
    """

    label: str
    seed: int | None
    results: list[dict[str, Any]]
    validation: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


class Results:
    """The files of finished models: ``seed0/results/joint.json``, ``controls/popularity.json``.

    Args:
        folder: the run directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of_seed(self, seed: int) -> Path:
        """Where the models of a seed are kept while they are trained, with their curves."""
        return self.folder / f"seed{seed}"

    def has(self, label: str, seed: int | None) -> bool:
        """Whether a model is finished."""
        return self._path(label, seed).is_file()

    def write(self, found: Found) -> None:
        """Keep what a model found.

        Raises:
            CheckpointError: the file cannot be written.
        """
        write_json(self._path(found.label, found.seed), asdict(found))

    def read(self, label: str, seed: int | None) -> Found:
        """What a finished model found.

        Raises:
            CheckpointError: the file is missing or damaged.
        """
        return Found(**read_json(self._path(label, seed)))

    def _path(self, label: str, seed: int | None) -> Path:
        folder = self.folder / "controls" if seed is None else self.of_seed(seed) / "results"
        return folder / f"{label}.json"
