"""Reading and writing metrics.json, always against its published schema (metrics.schema.json beside this file)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from polyscene.data.files import atomic_path
from polyscene.errors import CheckpointError, Problems

FILE = "metrics.json"
MAX_PROBLEMS = 20


def metrics_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of metrics.json."""
    return json.loads(
        resources.files("polyscene.report").joinpath("metrics.schema.json").read_text(encoding="utf-8")
    )


def write_metrics(run: Path, metrics: Mapping[str, Any]) -> Path:
    """Validates ``metrics`` and writes it to ``run/metrics.json`` in one step.

    An older file stays as it was unless the new one is complete.

    Raises:
        CheckpointError: if it does not follow the schema (all problems at once), holds a number that is not
            finite, or cannot be written.
    """
    path = run / FILE
    _validate(metrics, path)
    with atomic_path(path, CheckpointError) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(metrics, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")
    return path


def read_metrics(run: Path) -> dict[str, Any]:
    """The validated contents of ``run/metrics.json``.

    Raises:
        CheckpointError: if there is no such file, it is not JSON, or it does not follow the schema.
    """
    path = run / FILE
    if not path.is_file():
        raise CheckpointError(
            "there is no metrics.json",
            where=str(run),
            fix="name the directory of a run that finished, or evaluate it",
        )
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"not valid JSON ({error})", where=str(path), fix="evaluate the run again: polyscene evaluate run=RUN"
        ) from error
    _validate(metrics, path)
    return metrics


def _validate(metrics: Any, path: Path) -> None:
    from jsonschema import Draft202012Validator

    problems = Problems(str(path))
    errors = sorted(Draft202012Validator(metrics_schema()).iter_errors(metrics), key=lambda error: error.json_path)
    for error in errors[:MAX_PROBLEMS]:
        problems.add(f"{error.json_path}: {error.message}")
    for place in list(_not_finite(metrics))[:MAX_PROBLEMS]:
        problems.add(f"{place}: not a finite number", fix="leave the row out, or find out why it diverged")
    problems.raise_if_any(CheckpointError)


def _not_finite(value: object, place: str = "$") -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield place
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _not_finite(inner, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _not_finite(inner, f"{place}[{index}]")
