"""Finds the runs that are to be compared, and what became of those that did not finish."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.errors import ConfigError
from polyscene.evaluation.per_request import read_per_request
from polyscene.report.history import Curve, read_curves
from polyscene.report.page import FILE as PAGE
from polyscene.report.schema import METRICS, TRANSFER, read_metrics
from polyscene.training.folder import RESOLVED, read_config

_OUTCOME = "outcome.json"  # how a job of a multirun ended


@dataclass(frozen=True)
class Run:
    """One finished run.

    Args:
        folder: its directory.
        label: its name in tables; empty to be named by what sets it apart from the others.
    """

    folder: Path
    label: str = ""

    @cached_property
    def config(self) -> dict[str, Any]:
        """The whole config, as plain values."""
        return read_config(self.folder)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The contents of metrics.json."""
        return read_metrics(self.folder)

    @cached_property
    def per_request(self) -> Mapping[tuple[str, ...], np.ndarray]:
        """Values of single requests by scenario, view, population, method and metric; empty if none were kept."""
        return read_per_request(self.folder)

    @cached_property
    def curves(self) -> list[Curve]:
        """What was recorded while it was trained."""
        return read_curves(self.folder)

    @property
    def own_method(self) -> str:
        """The method that the run is about, such as ``joint``."""
        results = self.metrics["results"]
        return results[0]["method"] if results else ""


@dataclass(frozen=True)
class Found:
    """What was found in the places that were named.

    Args:
        runs: finished runs, in the order of the places and of their names.
        unfinished: why the others have no results, by directory.
    """

    runs: list[Run]
    unfinished: dict[str, str]


def find_runs(places: Iterable[Path]) -> Found:
    """The runs in some directories, each a run itself or a folder of runs, such as that of a sweep.

    Raises:
        ConfigError: a place does not exist or holds no finished run; all of them are named.
    """
    folders: dict[Path, None] = {}
    missing = []
    for place in places:
        inside = [place] if (place / RESOLVED).is_file() else _below(place)
        if not any((folder / METRICS).is_file() for folder in inside):
            missing.append(f"  - {place}: {_lacking(place)}")
        folders |= dict.fromkeys(inside)
    if missing:
        raise ConfigError(
            "\n".join(["nothing to compare in", *missing]),
            where="polyscene compare",
            fix="name directories of runs or of a sweep, as `ls runs` shows them",
        )
    distinct = {folder.resolve(): folder for folder in reversed(folders)}
    # Runs of polyscene transfer have a comparison of their own.
    kept = [one for one in folders if distinct[one.resolve()] is one and not (one / TRANSFER).is_file()]
    return Found(
        [Run(folder) for folder in kept if (folder / METRICS).is_file()],
        {str(folder): _reason(folder) for folder in kept if not (folder / METRICS).is_file()},
    )


def _lacking(place: Path) -> str:
    if (place / TRANSFER).is_file():
        return f"it is a run of polyscene transfer, compared in its own {place / PAGE}"
    return "there is no finished run in it" if place.is_dir() else "no folder"


def _below(place: Path) -> list[Path]:
    """Directories with a config, or with the outcome of a job that came to nothing."""
    found = {path.parent for name in (RESOLVED, _OUTCOME) for path in place.rglob(name)}
    return sorted(found, key=lambda folder: [_natural(part) for part in folder.parts])


def _natural(name: str) -> tuple[bool, int, str]:
    """Jobs of a sweep are numbered: 10 comes after 9."""
    return (not name.isdigit(), int(name) if name.isdigit() else 0, name)


def _reason(folder: Path) -> str:
    try:
        outcome = json.loads((folder / _OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        outcome = {}
    error = outcome.get("error") if isinstance(outcome, dict) else None
    return str(error) if error else "not finished: repeat its command with run.dir to go on with it"
