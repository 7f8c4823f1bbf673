"""Reading and writing what runs found, always against the published schemas beside this file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from polyscene.data.files import atomic_path
from polyscene.errors import CheckpointError, Problems

METRICS, TRANSFER = "metrics.json", "transfer.json"
MAX_PROBLEMS = 20


def schema_of(file: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``metrics.json`` or ``transfer.json``, which share rows and sources."""
    schemas = resources.files("polyscene.report")

    def read(name: str) -> dict[str, Any]:
        return json.loads(schemas.joinpath(f"{name.removesuffix('.json')}.schema.json").read_text("utf-8"))

    schema = read(file)
    schema["$defs"] = {**read(METRICS)["$defs"], **schema.get("$defs", {})}
    return schema


def write_metrics(run: Path, metrics: Mapping[str, Any]) -> Path:
    """Validates ``metrics`` and writes it to ``run/metrics.json`` in one step.

    An older file stays as it was unless the new one is complete.

    Raises:
        CheckpointError: if it does not follow the schema (all problems at once), holds a number that is not
            finite, or cannot be written.
    """
    return _write(run / METRICS, metrics)


def write_transfer(run: Path, found: Mapping[str, Any]) -> Path:
    """As :func:`write_metrics`, for ``run/transfer.json``."""
    return _write(run / TRANSFER, found)


def read_metrics(run: Path) -> dict[str, Any]:
    """The validated contents of ``run/metrics.json``.

    Raises:
        CheckpointError: if there is no such file, it is not JSON, or it does not follow the schema.
    """
    return _read(run / METRICS, "name the directory of a run that finished, or evaluate it")


def read_transfer(run: Path) -> dict[str, Any]:
    """As :func:`read_metrics`, for ``run/transfer.json``."""
    return _read(run / TRANSFER, "name the directory of a run of polyscene transfer")


def _write(path: Path, value: Mapping[str, Any]) -> Path:
    _validate(value, path)
    with atomic_path(path, CheckpointError) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")
    return path


def _read(path: Path, fix: str) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"there is no {path.name}", where=str(path.parent), fix=fix)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"not valid JSON ({error})", where=str(path), fix="evaluate the run again: polyscene evaluate run=RUN"
        ) from error
    _validate(value, path)
    return value


def _validate(value: Any, path: Path) -> None:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema_of(path.name))
    problems = Problems(str(path))
    errors = sorted(validator.iter_errors(value), key=lambda error: error.json_path)
    for error in errors[:MAX_PROBLEMS]:
        problems.add(f"{error.json_path}: {error.message}")
    for place in list(_not_finite(value))[:MAX_PROBLEMS]:
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
