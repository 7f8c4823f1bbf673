"""Figures of a benchmark: rows for its results file, and a table to look at."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.results import write_results


def figure_row(
    protocol: str, scenario: str, method: str, metric: str, values: Sequence[float], *, command: str
) -> dict[str, Any]:
    """A row of a results file: the median of a figure that was measured as often as there are values."""
    return {
        "protocol": protocol,
        "scenario": scenario,
        "method": method,
        "metric": metric,
        "mean": statistics.median(values),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "seeds": list(range(len(values))),
        "command": command,
    }


class Figures:
    """Medians over repetitions, with their standard deviation.

    Args:
        name: names the results file.
        command: what makes the figures.
    """

    def __init__(self, name: str, command: str) -> None:
        self.name, self.command = name, command
        self.rows: list[dict[str, Any]] = []

    def add(self, protocol: str, scenario: str, method: str, metric: str, values: Sequence[float]) -> None:
        """One figure, measured as often as there are values."""
        self.rows.append(figure_row(protocol, scenario, method, metric, values, command=self.command))

    def show(self) -> None:
        """A line each."""
        table = Table("what", "scenario", "method", "metric", "median", "std")
        for row in self.rows:
            spread = "" if row["std"] is None else f"{row['std']:.3g}"
            words = (row["protocol"], row["scenario"], row["method"], row["metric"])
            table.add_row(*words, f"{row['mean']:.4g}", spread)
        Console(width=180).print(table)

    def finish(self, *, whole: bool) -> None:
        """Show everything; write the results file where all was measured."""
        self.show()
        if whole:
            Console().print(f"written to {write_results(self.name, self.rows)}; now python -m benchmarks.render")
