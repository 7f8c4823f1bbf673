"""Splits on file: stored with the run, checked against the data on reading."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

from polyscene.data.files import atomic_path
from polyscene.data.splits.base import Split
from polyscene.data.tables import Tables
from polyscene.errors import DataError

_FORMAT = "polyscene-split-1"


def save_split(path: Path, split: Split) -> None:
    """Writes a split as one safetensors file; the old file stays until the new one is complete.

    Raises:
        DataError: if the file cannot be written.
    """
    facts = {"description": split.description, "ordered": split.ordered, "fingerprint": split.fingerprint}
    tensors = {
        "phase_R": split.phase_R,
        "cold_N": split.cold_N.astype(np.uint8),
        "cold_U": split.cold_U.astype(np.uint8),
    }
    with atomic_path(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"format": _FORMAT, "split": json.dumps(facts)})
        except safetensors.SafetensorError as error:  # it wraps what the system said
            raise DataError(
                f"cannot write: {error}", where=str(path), fix="free some space and run again"
            ) from error


def load_split(path: Path, tables: Tables) -> Split:
    """Reads a split and checks that it belongs to these tables.

    Raises:
        DataError: if the file is missing, damaged or was made from other data.
    """
    path = Path(path)
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
        if metadata.get("format") != _FORMAT:
            raise DataError("this is not a split", where=str(path), fix="name a file that save_split wrote")
        tensors, facts = load_file(path), json.loads(metadata["split"])
    except FileNotFoundError as error:
        raise DataError("there is no such split", where=str(path), fix="split the data again") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise DataError(f"the split is damaged ({error})", where=str(path), fix="split the data again") from error
    if facts["fingerprint"] != tables.fingerprint():
        raise DataError(
            "the split was made from other data",
            where=str(path),
            fix="use the data it was made from, or split the data again in a new run",
        )
    return Split(
        phase_R=tensors["phase_R"],
        cold_N=tensors["cold_N"].astype(bool),
        cold_U=tensors["cold_U"].astype(bool),
        description=facts["description"],
        ordered=facts["ordered"],
        fingerprint=facts["fingerprint"],
    )
