"""Events from files: JSON lines, CSV and Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from polyscene.errors import FeedbackError, did_you_mean
from polyscene.feedback.events import Event
from polyscene.feedback.mapping import from_mapping

_NUMBER = "number"  # the place in the log from which an event was exported


def read_events(path: Path, scenario: str | None = None) -> Iterator[Event]:
    """The events of a file, one by one.

    Args:
        path: ``.jsonl``, ``.csv`` (reactions only) or ``.parquet``.
        scenario: of events that do not name one.

    Raises:
        FeedbackError: the file cannot be read, or a row is no event; it names the row.
    """
    readers = {".jsonl": _json_lines, ".csv": _csv, ".parquet": _parquet}
    if path.suffix not in readers:
        raise FeedbackError(
            f"files of the kind '{path.suffix}' hold no events",
            where=str(path),
            fix=did_you_mean(path.suffix, readers),
        )
    try:
        for row, found in readers[path.suffix](path):
            try:
                event = from_mapping(_completed(found, scenario))
            except FeedbackError as error:
                raise FeedbackError(str(error), where=f"{path}, {row}") from error
            yield event
    except (OSError, ValueError, csv.Error) as problem:  # Arrow's errors are ValueErrors
        raise FeedbackError(f"cannot be read: {problem}", where=str(path), fix="name another file") from problem


def _completed(found: Any, scenario: str | None) -> Any:
    if not isinstance(found, dict):
        return found
    given = {key: value for key, value in found.items() if key != _NUMBER and value is not None}
    return given if scenario is None else {"scenario": scenario, **given}


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield f"line {number}", json.loads(line)
                except json.JSONDecodeError as problem:
                    raise FeedbackError(
                        f"this is no JSON: {problem.msg}", where=f"{path}, line {number}"
                    ) from problem


def _csv(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        for row in reader:
            where = f"line {reader.line_num}"
            if None in row or None in row.values():
                raise FeedbackError(
                    "the row has another number of cells than the header", where=f"{path}, {where}"
                )
            cells = {key: text for key, text in row.items() if text}
            yield where, {key: _number(text) if key in ("time", "value") else text for key, text in cells.items()}


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        number = 0
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield f"row {number}", row


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # the event says what is wrong with it
