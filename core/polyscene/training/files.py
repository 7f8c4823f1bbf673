"""Files of a run: json and safetensors, written whole or not at all, read with clear errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from polyscene.data.files import atomic_path
from polyscene.errors import CheckpointError

_GIVE_RUN = "give the directory of a run; `ls runs` shows them"


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text atomically."""
    with atomic_path(path, CheckpointError) as partial:
        partial.write_text(text, encoding="utf-8")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically. Tensors that share memory must be given once."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path, CheckpointError) as partial:
        try:
            save_file(contiguous, partial)
        except SafetensorError as error:
            # safetensors wraps the system's error; its text names the cause (no space left, file too large).
            raise CheckpointError(
                f"cannot write: {error}; nothing was left half-written",
                where=str(path),
                fix="free some space or choose another run.root",
            ) from error


def read_json(path: Path) -> Any:
    """Read JSON; a missing or damaged file is a :class:`CheckpointError`."""
    if not path.is_file():
        raise CheckpointError("the file is missing", where=str(path), fix=_GIVE_RUN)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"the file is damaged ({error})", where=str(path), fix="train again") from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors; a missing or damaged file is a :class:`CheckpointError`."""
    if not path.is_file():
        raise CheckpointError("the file is missing", where=str(path), fix=_GIVE_RUN)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"the file is damaged ({error})", where=str(path), fix="train again") from None
