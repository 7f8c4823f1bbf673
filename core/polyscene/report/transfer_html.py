"""The report of a transfer run: heat map, negative transfer, what was tried, sources, costs and config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from polyscene.report.charts import Bar, Cell, bars, heat
from polyscene.report.helps import helps_map, helps_sentences
from polyscene.report.page import write_page
from polyscene.report.scenarios import FACTS, cosine_map, shared_maps
from polyscene.report.schema import read_transfer
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
        "helps": helps_map(view.found),
        "helps_sentences": list(helps_sentences(view.found)),
        "heat": lambda matrix, title: _heat(view, matrix, title),
        "difference_chart": lambda entry: _difference_chart(view, entry),
        "cosine_map": _cosine_map(view.found["cosines"]) if view.found["cosines"] else "",
        "comparison": view.found.get("data"),
        "fact_formats": FACTS,
        "shared_maps": shared_maps,
        "described": described,
        "total_seconds": sum(view.found["model_seconds"].values()),
    }
    return write_page(run, "transfer.html.j2", values)


def _heat(view: TransferView, matrix: MatrixView, title: str) -> Markup:
    columns = {column["scenario"]: f"{column['scenario']}\n{column['metric']}" for column in matrix.columns}
    cells = []
    for row in view.rows:
        for scenario, column in columns.items():
            cell = matrix.cells.get((row["label"], scenario))
            if cell is None:
                continue
            mark = f" {MARKS[cell['mark']]}" if cell["mark"] else ""
            cells.append(
                Cell(
                    view.title(row["label"]),
                    column,
                    figure(cell["mean"]) + mark,
                    spread(cell).strip(),
                    matrix.shade(row["label"], scenario),
                    framed=row["kind"] == "single" and scenario in row["trained"],
                )
            )
    return heat(
        f"{title}: trained on (down), tested on (across)",
        cells,
        rows=[view.title(row["label"]) for row in view.rows],
        columns=list(columns.values()),
    )


def _difference_chart(view: TransferView, entry: Mapping[str, Any]) -> Markup:
    tried = [
        Bar(
            view.title(one["row"]) if one["row"] != "joint" else "as configured",
            one["difference"]["mean"],
            one["difference"]["spread"],
            own=one["row"] == entry["chosen"],
        )
        for one in entry["tried"]
    ]
    caption = "Joint minus single; the chosen one in color"
    return bars(f"{entry['scenario']}: joint minus single", tried, caption=caption)


def _cosine_map(cosines: list[dict[str, Any]]) -> Markup:
    return cosine_map([(*one["scenarios"], one["mean"], spread(one).strip()) for one in cosines])
