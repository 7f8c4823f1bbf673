"""CSV, Markdown and LaTeX: the same figures, and nothing that breaks the format."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from polyscene.comparison.against import set_against
from polyscene.comparison.export import as_csv, as_latex, as_markdown, legend, written
from polyscene.comparison.selection import with_metrics
from polyscene.comparison.table import Column, Comparison


@pytest.fixture(scope="module")
def shown(comparison: Comparison) -> Comparison:
    return set_against(with_metrics(comparison, []))


def test_csv_has_every_figure_in_full(shown: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(shown))))
    figures = [row for row in rows if row["scenario"]]
    assert len(figures) == sum(
        entry.mean(column) is not None for entry in shown.entries for column in shown.columns
    )
    for row in figures:
        entry = next(entry for entry in shown.entries if entry.label == row["name"])
        column = Column(row["scenario"], row["view"], row["population"], row["metric"])
        assert float(row["mean"]) == pytest.approx(entry.mean(column), rel=1e-12)
        test = shown.tests.get((entry.label, column))
        assert row["p_requests"] == ("" if test is None or test.by_requests is None else str(test.by_requests))
        assert (row["against"] == "adapter=none") == (test is not None)
    costs = {(row["name"], row["metric"]): float(row["mean"]) for row in rows if not row["scenario"]}
    assert costs["adapter=gate", "cost: parameters"] == shown.entries[1].cost["parameters"]


def test_markdown_is_one_table_with_as_many_cells_in_each_line(shown: Comparison) -> None:
    lines = [line for line in as_markdown(shown).splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert len(lines) == len(shown.entries) + 2
    assert "**" in as_markdown(shown)
    assert legend(shown) in as_markdown(shown)
    hostile = [replace(shown.entries[0], label="a|b"), *shown.entries[1:]]
    assert "| a\\|b |" in as_markdown(replace(shown, entries=hostile))


def test_latex_escapes_what_it_would_read_as_its_own(shown: Comparison) -> None:
    hostile = [replace(shown.entries[0], label="50%_of #1 & {x}\\y~^$"), *shown.entries[1:]]
    text = as_latex(replace(shown, entries=hostile))
    assert r"50\%\_of \#1 \& \{x\}\textbackslash{}y\textasciitilde{}\textasciicircum{}\$ &" in text
    body = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert len({len(re.findall(r"(?<!\\)&", line)) for line in body}) == 1
    assert "±" not in text.split("\n", 1)[1]
    assert r"$\pm$" in text


def test_a_figure_is_written_with_spread_and_marks(shown: Comparison) -> None:
    gate, column = shown.entries[1], shown.columns[0]
    test = shown.tests[gate.label, column]
    marked = replace(shown, tests={(gate.label, column): replace(test, by_requests=0.01, by_seeds=0.04)})
    assert re.fullmatch(r"0\.\d{4} ± 0\.\d{4} \*†", written(marked, gate, column))
    plain = replace(shown, tests={(gate.label, column): replace(test, by_requests=0.2, by_seeds=None)})
    assert re.fullmatch(r"0\.\d{4} ± 0\.\d{4}", written(plain, gate, column))


def test_the_legend_says_what_stands_behind_the_figures(shown: Comparison) -> None:
    assert legend(shown).startswith(
        "2 seeds (0, 1). ± is the standard deviation over seeds. Against adapter=none:"
    )
    alone = replace(shown, entries=shown.entries[:1])
    assert "Against" not in legend(alone)
