"""Refuses to compare runs that were not asked the same: other data, another split, another ranking."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from polyscene.comparison.runs import Run
from polyscene.comparison.variants import flat
from polyscene.data.domains import scenario_of
from polyscene.data.phases import Phase
from polyscene.errors import CheckpointError, ConfigError

_CHANGES_ROWS = ("split.", "dataset", "shots", "draw", "domains", "tasks")
"""Options of a scenario that decide which rows are asked for."""


@dataclass(frozen=True)
class _Rows:
    """Which rows of a scenario a run learned from and was tested on."""

    data: str
    phase_R: np.ndarray
    cold: bytes

    def differs(self, other: _Rows) -> str:
        """What is different, in words; empty if nothing is."""
        if self.data != other.data:
            return f"other data ({len(self.phase_R):,} rows against {len(other.phase_R):,})"
        moved = int((self.phase_R != other.phase_R).sum())
        if moved:
            return f"{moved:,} of {len(self.phase_R):,} rows in another phase ({_phases(self, other)})"
        return "" if self.cold == other.cold else "other cold users or items"


def check_same_rows(runs: Sequence[Run], scenarios: Sequence[str]) -> None:
    """Every run must have the rows of the first one that has the scenario, in the same phases.

    Args:
        runs: finished runs.
        scenarios: the scenarios that are compared.

    Raises:
        ConfigError: with what differs, scenario by scenario.
        CheckpointError: a split cannot be read.
    """
    problems = [line for scenario in scenarios for line in _differences(runs, scenario)]
    if problems:
        raise ConfigError(
            "\n".join(["runs with different rows cannot be compared", *(f"  - {line}" for line in problems)]),
            where="polyscene compare",
            fix="compare runs of the same data and split, or only a scenario they agree on: "
            "--filter scenario=NAME",
        )


def _differences(runs: Sequence[Run], scenario: str) -> Iterator[str]:
    having = [run for run in runs if _split_file(run, scenario).is_file()]
    if not having:
        return
    first = having[0]
    rows, protocols = _read(first, scenario), _protocols(first, scenario)
    for run in having[1:]:
        different = _read(run, scenario).differs(rows)
        if not different and (other := _protocols(run, scenario) - protocols) and protocols:
            different = f"ranked as '{'; '.join(sorted(other))}'"
        if different:
            yield f"{scenario}: {run.folder} has {different} than {first.folder}{_options(run, first, scenario)}"


def _options(run: Run, first: Run, scenario: str) -> str:
    """The options behind it: ``scenario.video.split.seed=1 against 0``."""
    name = f"scenario.{scenario_of(scenario)}."
    mine, theirs = (flat(one.config) for one in (run, first))
    found = [
        f"{key}={mine.get(key)} against {theirs.get(key)}"
        for key in dict.fromkeys([*mine, *theirs])
        if key.startswith(tuple(name + part for part in _CHANGES_ROWS)) and mine.get(key) != theirs.get(key)
    ]
    return f": {', '.join(found)}" if found else ""


def _split_file(run: Run, scenario: str) -> Path:
    return run.folder / "split" / f"{scenario}.safetensors"


def _read(run: Run, scenario: str) -> _Rows:
    path = _split_file(run, scenario)
    try:
        with safe_open(path, framework="np") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {})["split"])
            cold = file.get_tensor("cold_N").tobytes() + file.get_tensor("cold_U").tobytes()
            return _Rows(facts["fingerprint"], file.get_tensor("phase_R"), cold)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"the split cannot be read ({error})", where=str(path), fix="leave this run out, or repeat it"
        ) from None


def _protocols(run: Run, scenario: str) -> set[str]:
    """How the scenario was asked, without the folder in which a machine keeps a split."""
    rows = run.metrics["results"]
    return {re.sub(r"path=[^ ,)]*/", "path=", row["protocol"]) for row in rows if row["scenario"] == scenario}


def _phases(one: _Rows, other: _Rows) -> str:
    counts = (
        (phase.name.lower(), int((one.phase_R == phase).sum()), int((other.phase_R == phase).sum()))
        for phase in Phase
    )
    changed = [f"{name} {mine:,} against {theirs:,}" for name, mine, theirs in counts if mine != theirs]
    return ", ".join(changed) or "as many in each phase, but others"
