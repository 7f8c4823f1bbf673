"""Values of single requests, kept beside their means: what compares two runs on the very same requests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from polyscene.data.files import atomic_path
from polyscene.errors import CheckpointError
from polyscene.evaluation.measured import Measured

FILE = "requests.safetensors"
METRICS = ("ndcg@10", "recall@10", "mrr")
"""The metrics whose values are kept; the others follow from ranks in the same way or belong to no request."""


class PerRequest:
    """Gathers the values of a run; :meth:`add` is a :data:`~polyscene.evaluation.measured.Keep`."""

    def __init__(self) -> None:
        self._values: dict[str, np.ndarray] = {}

    def add(self, measured: Measured) -> None:
        """Remember one method's values, in the order of the requests; NaN where there was nothing to find."""
        place = (measured.subject.name, measured.view.name, measured.population.name, measured.method)
        for metric in METRICS:
            if metric in measured.summaries:
                value_B = measured.summaries[metric].value_B
                self._values["/".join((*place, metric))] = value_B.float().cpu().numpy()

    def write(self, folder: Path) -> None:
        """Write ``folder/requests.safetensors``, if anything is kept.

        Raises:
            CheckpointError: the file cannot be written.
        """
        if not self._values:
            return
        with atomic_path(folder / FILE, CheckpointError) as partial:
            try:
                save_file(self._values, partial)
            except SafetensorError as error:  # it wraps what the system said
                raise CheckpointError(
                    f"cannot write: {error}", where=str(folder / FILE), fix="free some space and run again"
                ) from error


def read_per_request(folder: Path) -> dict[tuple[str, str, str, str, str], np.ndarray]:
    """The kept values by scenario, view, population, method and metric; empty for a run without them.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        values = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"the file is damaged ({error})", where=str(path), fix="repeat the run in another folder"
        ) from None
    found = {}
    for key, value_B in values.items():
        scenario, view, population, method, metric = key.split("/")
        found[scenario, view, population, method, metric] = value_B
    return found
