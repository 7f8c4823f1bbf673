"""Renders RESULTS.md from results/*.json, so that no figure is typed by hand: ``python -m benchmarks.render``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import RESULTS, read_results
from polyscene.data.files import atomic_path

PAGE = RESULTS.parent / "RESULTS.md"
SIGNIFICANT_DIGITS = 4
INTRODUCTION = """\
# Results

Rendered by `python -m benchmarks.render` from the files in `benchmarks/results/`; a change by hand would be
overwritten and fails a test. A cell is the mean over seeds ± the standard deviation over seeds; without ± it is a
single seed. Each table names the command that made it.
"""


def render(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """RESULTS.md as a text: a function of the rows alone, so the same files give the same page."""
    parts = [INTRODUCTION]
    for name in sorted(results):
        parts.append(f"## {name}\n")
        parts += [_table(protocol, rows) for protocol, rows in _grouped(results[name], "protocol").items()]
    if not results:
        parts.append("No benchmark has been run yet.\n")
    return "\n".join(parts)


def main() -> int:
    """Writes RESULTS.md; with ``--check`` only says whether it is up to date (exit code 1 if not)."""
    page = render(read_results())
    if "--check" in sys.argv[1:]:
        fresh = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page
        print("RESULTS.md is up to date" if fresh else "RESULTS.md is stale: run python -m benchmarks.render")
        return 0 if fresh else 1
    with atomic_path(PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
    print(f"wrote {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}")
    return 0


def _table(protocol: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """One table per protocol: a line per scenario and method, a column per metric, in the order of the file."""
    metrics = list(_grouped(rows, "metric"))
    lines = [f"### {_cell(protocol)}\n"]
    lines.append("| scenario | method | " + " | ".join(map(_cell, metrics)) + " | seeds |")
    lines.append("|---|---|" + "---:|" * len(metrics) + "---|")
    for scenario, of_scenario in _grouped(rows, "scenario").items():
        for method, of_method in _grouped(of_scenario, "method").items():
            figures = {row["metric"]: _figure(row) for row in of_method}
            seeds = ", ".join(dict.fromkeys(" ".join(map(str, row["seeds"])) for row in of_method))
            cells = [scenario, method, *(figures.get(metric, "") for metric in metrics), seeds]
            lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    lines.append("")
    for command, of_command in _grouped(rows, "command").items():
        places = [f"{row['date']}, {row['machine']}" for row in of_command]
        lines.append(f"`{command}` ({'; '.join(dict.fromkeys(places))})\n")
    return "\n".join(lines)


def _figure(row: Mapping[str, Any]) -> str:
    mean = _number(row["mean"])
    return mean if row["std"] is None else f"{mean} ± {_number(row['std'])}"


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 10**9:
        return f"{int(value):,}"
    if abs(value) < 1:
        return f"{value:.{SIGNIFICANT_DIGITS}f}" if abs(value) >= 10**-3 else f"{value:.2g}"
    digits = max(0, SIGNIFICANT_DIGITS - len(str(int(abs(value)))))
    return f"{value:,.{digits}f}"


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _grouped(rows: Sequence[Mapping[str, Any]], field: str) -> dict[str, list[Mapping[str, Any]]]:
    """Rows by the value of a field, in the order in which the values first appear."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[field], []).append(row)
    return groups


if __name__ == "__main__":
    sys.exit(main())
