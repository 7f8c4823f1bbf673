"""A comparison as a page: tables that sort, parallel coordinates, learning curves, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from polyscene.comparison.costs import COSTS
from polyscene.comparison.curves import curve_charts
from polyscene.comparison.export import cost_title, cost_written, known_costs, legend
from polyscene.comparison.table import Comparison, Entry
from polyscene.report.charts import parallel
from polyscene.report.page import write_page
from polyscene.report.scenarios import FACTS, cosine_map, mean_cosines, shared_maps

HOME = "polyscene.comparison"


@dataclass(frozen=True)
class Part:
    """One comparison of a page.

    Args:
        title: its heading; empty where the page has a single one.
        comparison: what it shows.
        more: further tables and charts of it.
    """

    title: str
    comparison: Comparison
    more: Sequence[Markup] = field(default_factory=list)


def write_comparison(
    folder: Path, parts: Sequence[Part], *, lead: str = "", failed: Mapping[str, str] | None = None
) -> Path:
    """Writes ``folder/report.html`` and returns its path.

    Args:
        folder: where the page goes.
        parts: what it compares.
        lead: a sentence below the title.
        failed: what could not be run, and why.

    Raises:
        CheckpointError: the page cannot be written.
    """
    values = {
        "parts": parts,
        "lead": lead,
        "failed": failed or {},
        "anchors": {part.title: f"part-{number}" for number, part in enumerate(parts)},
        "legend": legend,
        "known_costs": known_costs,
        "cost_title": cost_title,
        "cost_written": cost_written,
        "parallel": _parallel,
        "curves": lambda comparison: dict(curve_charts(comparison)),
        "fact_formats": FACTS,
        "scenarios": _scenarios(parts),
        "shared_maps": shared_maps,
        "cosine_map": _cosines(parts),
    }
    return write_page(folder, "comparison.html.j2", values, HOME)


def _parallel(comparison: Comparison) -> Markup | str:
    """Each variant over what sets it apart, what came of it, and what it cost."""
    own = [entry for entry in comparison.entries if entry.own]
    if len(own) < 2:
        return ""
    keys = dict.fromkeys(key for entry in own for key in entry.settings)
    runs = {entry.label: _along(comparison, entry) for entry in own}
    figures = dict.fromkeys(axis for values in runs.values() for axis in values if axis not in keys)
    color = next((axis for axis in figures if axis.startswith("mean ")), next(iter(figures), ""))
    if not color:
        return ""
    return parallel(
        "Variants over figures and costs",
        runs,
        axes=[*keys, *figures],
        color=color,
        caption=f"One line per variant; the stronger, the higher its {color}. Point at a line to follow it.",
    )


def _along(comparison: Comparison, entry: Entry) -> dict[str, float | str]:
    values: dict[str, float | str] = dict(entry.settings)
    for column in comparison.headlines:
        if (mean := entry.mean(column)) is not None:
            values[column.title] = mean
    if (mean := comparison.mean(entry)) is not None:
        values[f"mean {comparison.averaged[0].metric}"] = mean
    if "seconds" in entry.cost:
        values[COSTS["seconds"].title] = entry.cost["seconds"]
    if "parameters" in entry.cost:
        values[COSTS["parameters"].title] = round(entry.cost["parameters"])
    return values


def _runs(parts: Sequence[Part]) -> list[Any]:
    return [run for part in parts for entry in part.comparison.entries if entry.own for run in entry.runs]


def _scenarios(parts: Sequence[Part]) -> dict[str, Any]:
    """The facts of all scenarios that any run has, and what the pairs among them have in common."""
    facts: dict[str, Any] = {}
    shared: dict[tuple[str, str], Any] = {}
    for run in _runs(parts):
        found = run.metrics.get("scenarios", {"facts": {}, "shared": []})
        facts |= {name: one for name, one in found["facts"].items() if name not in facts}
        shared |= {(pair["of"], pair["known_from"]): pair for pair in found["shared"]}
    return {"facts": facts, "shared": list(shared.values())}


def _cosines(parts: Sequence[Part]) -> Markup | str:
    found = [one for run in _runs(parts)[:1] for one in mean_cosines(run.curves)]
    return cosine_map(found) if found else ""
