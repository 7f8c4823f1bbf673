"""The report of a transfer run: heat map, negative transfer, what was tried, sources, costs and config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from polyscene.report.heat import Heat, heat_map
from polyscene.report.page import write_page
from polyscene.report.schema import read_transfer
from polyscene.report.svg import Bar, bar_chart
from polyscene.report.transfer_view import (
    LEGEND,
    MARKS,
    SINGLE_NOTE,
    ZERO_SHOT,
    MatrixView,
    TransferView,
    described,
    spread,
)
from polyscene.report.units import figure


def write_transfer_page(run: Path) -> Path:
    """Writes ``run/report.html`` from ``run/transfer.json`` and returns its path; unfinished runs have a page too.

    Raises:
        CheckpointError: if transfer.json is missing or damaged, or the page cannot be written.
    """
    view = TransferView(read_transfer(run))
    values = {
        "found": view.found,
        "view": view,
        "notes": (LEGEND, ZERO_SHOT, SINGLE_NOTE),
        "marks": MARKS,
        "heat": lambda matrix, title: _heat(view, matrix, title),
        "difference_chart": lambda entry: _difference_chart(view, entry),
        "cosine_map": _cosine_map(view.found["cosines"]) if view.found["cosines"] else "",
        "described": described,
        "total_seconds": sum(view.found["model_seconds"].values()),
    }
    return write_page(run, "transfer.html.j2", values)


def _heat(view: TransferView, matrix: MatrixView, title: str) -> Markup:
    cells = {}
    for i, row in enumerate(view.rows):
        for j, column in enumerate(matrix.columns):
            cell = matrix.cells.get((row["label"], column["scenario"]))
            if cell is None:
                continue
            mark = f" {MARKS[cell['mark']]}" if cell["mark"] else ""
            cells[i, j] = Heat(
                figure(cell["mean"]) + mark,
                spread(cell).strip(),
                matrix.shade(row["label"], column["scenario"]),
                framed=row["kind"] == "single" and column["scenario"] in row["trained"],
            )
    return heat_map(
        f"{title}: trained on (down), tested on (across)",
        [view.title(row["label"]) for row in view.rows],
        [(column["scenario"], column["metric"]) for column in matrix.columns],
        cells,
    )


def _difference_chart(view: TransferView, entry: Mapping[str, Any]) -> Markup:
    bars = [
        Bar(
            view.title(one["row"]) if one["row"] != "joint" else "as configured",
            one["difference"]["mean"],
            one["difference"]["spread"],
            own=one["row"] == entry["chosen"],
        )
        for one in entry["tried"]
    ]
    return bar_chart(f"{entry['scenario']}: joint minus single", bars)


def _cosine_map(cosines: list[dict[str, Any]]) -> Markup:
    names = list(dict.fromkeys(name for one in cosines for name in one["scenarios"]))
    cells = {}
    for one in cosines:
        i, j = (names.index(name) for name in one["scenarios"])
        cells[i, j] = cells[j, i] = Heat(f"{one['mean']:+.3f}", spread(one).strip(), one["mean"])
    return heat_map("Cosine between the gradients of scenarios", names, [(name, "") for name in names], cells)
