"""Rows of the results files of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.speed.figures import figure_row

COMMAND = "python -m benchmarks.speed.peers"


class Rows:
    """Collects rows of one results file.

    Args:
        name: of the part of the comparison.
        protocol: what holds for all rows.
    """

    def __init__(self, name: str, protocol: str) -> None:
        self.name, self.protocol = name, protocol
        self.rows: list[dict[str, Any]] = []

    def add(self, scenario: str, method: str, metric: str, values: Sequence[float] | float) -> None:
        """The median of one value per turn, or a single value."""
        turns = [float(values)] if isinstance(values, int | float) else [float(value) for value in values]
        self.rows.append(
            figure_row(self.protocol, scenario, method, metric, turns, command=f"{COMMAND} {self.name}")
        )

    def missing(self, scenario: str, peer: str, why: str) -> None:
        """A peer that could not be installed."""
        self.add(scenario, f"{peer} (not installed: {why})", "installed (1: yes)", 0.0)
