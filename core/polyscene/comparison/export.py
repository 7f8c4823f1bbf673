"""A comparison as CSV for programs, and as Markdown or LaTeX for pages and papers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from polyscene.comparison.costs import COSTS
from polyscene.comparison.table import Column, Comparison, Entry
from polyscene.data.files import atomic_path
from polyscene.errors import ConfigError
from polyscene.report.units import figure


def as_csv(comparison: Comparison) -> str:
    """One row per figure, costs included: all that programs need, with nothing rounded."""
    rows = []
    for entry in comparison.entries:
        for column in comparison.columns:
            if (mean := entry.mean(column)) is None:
                continue
            test = comparison.tests.get((entry.label, column))
            rows.append(
                {
                    "name": entry.label,
                    "method": entry.method,
                    "scenario": column.scenario,
                    "view": column.view,
                    "population": column.population,
                    "metric": column.metric,
                    "mean": mean,
                    "std": entry.spread(column),
                    "seeds": " ".join(map(str, sorted(entry.figures[column]))),
                    "against": comparison.reference if test else None,
                    "difference": test.difference if test else None,
                    "p_seeds": test.by_seeds if test else None,
                    "p_requests": test.by_requests if test else None,
                    "requests": test.requests if test else None,
                }
            )
        rows += [
            {"name": entry.label, "method": entry.method, "metric": f"cost: {key}", "mean": value}
            for key, value in entry.cost.items()
        ]
    return pd.DataFrame(rows).convert_dtypes().to_csv(index=False, lineterminator="\n")


def as_markdown(comparison: Comparison) -> str:
    """A table of all columns, the best of each in bold."""
    heading, *body = _grid(comparison, bold="**{}**".format)
    rows = [heading, ["---", *["---:"] * (len(heading) - 1)], *body]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([*lines, "", legend(comparison), ""])


def as_latex(comparison: Comparison) -> str:
    """A ``tabular`` with ``booktabs`` rules, the best of each column in bold."""
    heading, *body = _grid(comparison, bold="\\textbf{{{}}}".format, text=_escaped)
    rules = ["\\toprule", f"{' & '.join(heading)} \\\\", "\\midrule"]
    rows = [f"{' & '.join(row)} \\\\" for row in body]
    columns = "l" + "r" * (len(heading) - 1)
    note = f"% {legend(comparison)}"
    table = [f"\\begin{{tabular}}{{{columns}}}", *rules, *rows, "\\bottomrule", "\\end{tabular}"]
    return "\n".join([note, *table, ""])


FORMATS: dict[str, Callable[[Comparison], str]] = {"csv": as_csv, "markdown": as_markdown, "latex": as_latex}


def write_export(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    with atomic_path(path, ConfigError) as partial:
        partial.write_text(text, encoding="utf-8")


def legend(comparison: Comparison) -> str:
    """What marks and spreads mean."""
    seeds = comparison.seeds
    spread = "± is the standard deviation over seeds. " if len(seeds) > 1 else ""
    several = f"{len(seeds)} seeds ({', '.join(map(str, seeds))})" if len(seeds) > 1 else "One seed"
    if len(comparison.entries) < 2:
        return f"{several}. {spread}".strip()
    return (
        f"{several}. {spread}Against {comparison.reference}: * on the same requests, † seed by seed "
        "(paired t-tests, p < .05 after Benjamini and Hochberg)."
    )


def written(comparison: Comparison, entry: Entry, column: Column) -> str:
    """A figure with its spread and marks: ``0.1049 ± 0.0016 *†``; empty where there is none."""
    mean, spread = entry.mean(column), entry.spread(column)
    if mean is None:
        return ""
    test = comparison.tests.get((entry.label, column))
    marks = f" {test.marks}" if test is not None and test.marks else ""
    return figure(mean) + ("" if spread is None else f" ± {figure(spread)}") + marks


def cost_written(entry: Entry, key: str) -> str:
    """A cost as people read it, empty where it is not known."""
    value = entry.cost.get(key)
    return "" if value is None else f"{value:,.1f}" if COSTS[key].unit == "s" else f"{value:,.0f}"


def known_costs(comparison: Comparison) -> list[str]:
    """The costs that any line has."""
    return [key for key in COSTS if any(key in entry.cost for entry in comparison.entries)]


def cost_title(key: str) -> str:
    """``training (s)``."""
    return COSTS[key].title + (f" ({COSTS[key].unit})" if COSTS[key].unit else "")


def _grid(
    comparison: Comparison, *, bold: Callable[[str], str], text: Callable[[str], str] = str
) -> list[list[str]]:
    """Heading and lines of all columns and costs."""
    columns, costs = comparison.columns, known_costs(comparison)
    rows = [["", *(text(column.title) for column in columns), *(text(cost_title(key)) for key in costs)]]
    for entry in comparison.entries:
        figures = [
            bold(shown) if shown and entry.label in comparison.best(column) else shown
            for column in columns
            for shown in [text(written(comparison, entry, column))]
        ]
        rows.append([text(entry.label), *figures, *(text(cost_written(entry, key)) for key in costs)])
    return rows


_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "†": r"$^\dagger$",
        "*": "$^*$",
    }
)


def _escaped(text: str) -> str:
    return text.translate(_LATEX)
