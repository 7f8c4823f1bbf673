"""Results on file: validated rows, one JSON file per benchmark."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polyscene.data.files import atomic_path

RESULTS = Path(__file__).resolve().parent / "results"
TEXTS = ("protocol", "scenario", "method", "metric", "command", "date", "machine")
FIELDS = ("protocol", "scenario", "method", "metric", "mean", "std", "seeds", "command", "date", "machine")


def write_results(name: str, rows: Sequence[Mapping[str, Any]], folder: Path = RESULTS) -> Path:
    """Writes ``results/NAME.json``, replacing an older file only once the new one is complete.

    Args:
        name: the benchmark's name, also its heading in RESULTS.md.
        rows: one mapping per figure: ``protocol``, ``scenario``, ``method``, ``metric`` (texts), ``mean``
            (a finite number), ``std`` (spread over seeds, ``None`` with a single seed), ``seeds`` (the list of
            seeds or repetitions behind the mean), ``command`` (what makes the figure). ``date`` and ``machine``
            are filled in where a row lacks them.
        folder: where result files are kept.

    Raises:
        ValueError: with every problem of every row at once.
    """
    complete = [{"date": today(), "machine": machine(), **row} for row in rows]
    problems = [f"row {i}: {problem}" for i, row in enumerate(complete) for problem in row_problems(row)]
    if not rows:
        problems.append("no rows")
    if not name.isidentifier():
        problems.append(f"the name '{name}' is not an identifier")
    if problems:
        raise ValueError("\n".join([f"results '{name}': {len(problems)} problems", *problems]))
    ordered = [{field: row[field] for field in FIELDS} for row in complete]
    path = folder / f"{name}.json"
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(ordered, file, indent=1, ensure_ascii=False)
        file.write("\n")
    return path


def update_results(name: str, rows: Sequence[Mapping[str, Any]], folder: Path = RESULTS) -> Path:
    """Writes rows into ``results/NAME.json``, as :func:`write_results`; what is known of other methods stays.

    Of a protocol, scenario and method all rows are replaced; each row says when and where it was made.
    """
    path = folder / f"{name}.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in before:
        groups.setdefault(_group(row), []).append(row)
    anew: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        anew.setdefault(_group(row), []).append(row)
    return write_results(name, [row for group in ({**groups, **anew}).values() for row in group], folder)


def read_results(folder: Path = RESULTS) -> dict[str, list[dict[str, Any]]]:
    """All result files by benchmark name, in the order of their names."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def row_problems(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with a row, in words; empty if nothing is."""
    found = [f"'{field}' is missing" for field in FIELDS if field not in row]
    found += [f"'{field}' is not a field" for field in row if field not in FIELDS]
    found += [
        f"'{field}' must be a text, found {row[field]!r}"
        for field in TEXTS
        if field in row and not (isinstance(row[field], str) and row[field])
    ]
    seeds = row.get("seeds", [0])
    if not (isinstance(seeds, list) and seeds and all(type(seed) is int for seed in seeds)):
        found.append(f"'seeds' must be a list of whole numbers such as [0, 1, 2], found {seeds!r}")
        seeds = [0]
    if "mean" in row and not _is_finite(row["mean"]):
        found.append(f"'mean' must be a finite number, found {row['mean']!r}")
    if "std" in row:
        if len(seeds) == 1 and row["std"] is not None:
            found.append(f"'std' must be None with one seed, found {row['std']!r}")
        if len(seeds) > 1 and not (_is_finite(row["std"]) and float(row["std"] or 0) >= 0):
            found.append(f"'std' must be a number of at least 0 with {len(seeds)} seeds, found {row['std']!r}")
    return found


def today() -> str:
    """The date in UTC, as ``2026-11-22``."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def machine() -> str:
    """The machine in words: processor architecture, cores this process may use, accelerator if any."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    words = [platform.machine(), f"{cores} cores", platform.system()]
    import torch

    if torch.cuda.is_available():
        words.append(torch.cuda.get_device_name())
    return ", ".join(words)


def _group(row: Mapping[str, Any]) -> tuple[str, ...]:
    return row["protocol"], row["scenario"], row["method"]


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
