"""A heat map: figures in a grid, shaded by gain and loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from polyscene.report.charts.chart import chart

STRONGEST = 0.45  # the darkest shade still leaves the figure on it readable, in light and in dark
CELL_WIDTH, CELL_HEIGHT, LABEL_WIDTH, LABEL_HEIGHT = 84, 46, 130, 15


@dataclass(frozen=True)
class Cell:
    """One cell of a heat map.

    Args:
        row: the label of its row.
        column: the label of its column.
        text: what is written in it.
        small: what is written below that, such as a spread.
        shade: from -1 (loss) over 0 (none) to 1 (gain).
        framed: draw a frame around it.
    """

    row: str
    column: str
    text: str
    small: str = ""
    shade: float = 0.0
    framed: bool = False


def heat(
    title: str, cells: Sequence[Cell], *, rows: Sequence[str], columns: Sequence[str], caption: str = ""
) -> Markup:
    """A grid of cells; those that are missing stay empty.

    Args:
        title: what the map shows.
        cells: its cells.
        rows: labels from top to bottom.
        columns: labels from left to right; a line break puts the rest in a second line.
        caption: what stands below.
    """
    values = [
        {
            "row": cell.row,
            "column": cell.column,
            "text": cell.text,
            "small": cell.small,
            "gain": cell.shade >= 0,
            "shade": STRONGEST * min(1.0, abs(cell.shade)),
            "framed": cell.framed,
            "written": f"{cell.text} {cell.small}".strip(),
        }
        for cell in cells
    ]
    fill = {"condition": {"test": "datum.gain", "value": "var(--own)"}, "value": "var(--warn)"}
    frame = {"condition": {"test": "datum.framed", "value": "var(--ink)"}, "value": "var(--line)"}
    lines = max((column.count("\n") for column in columns), default=0)
    axis = {
        "labelPadding": 8 + LABEL_HEIGHT * lines,
        "labelAngle": 0,
        "labelExpr": "split(datum.value, '\\n')",
        "orient": "top",
        "labelLimit": CELL_WIDTH + 30,
        "labelBaseline": "line-bottom",
    }
    bare = {"domain": False, "ticks": False, "grid": False, "labelPadding": 8}
    spec: dict[str, Any] = {
        "height": CELL_HEIGHT * len(rows),
        "data": {"values": values},
        "encoding": {
            "x": _band("column", columns, {**bare, **axis}),
            "y": _band("row", rows, bare | {"labelLimit": LABEL_WIDTH + 30}),
            "tooltip": [
                {"field": "row", "title": "row"},
                {"field": "column", "title": "column"},
                {"field": "written", "title": "figure"},
            ],
        },
        "layer": [
            {
                "mark": {"type": "rect", "cornerRadius": 4},
                "encoding": {
                    "fill": fill,
                    "stroke": frame,
                    "fillOpacity": {"field": "shade", "type": "quantitative", "scale": None},
                },
            },
            {
                "mark": {"type": "text", "dy": {"expr": "datum.small ? -7 : 0"}},
                "encoding": {"text": {"field": "text"}},
            },
            {"mark": {"type": "text", "dy": 9, "fontSize": 11}, "encoding": {"text": {"field": "small"}}},
        ],
    }
    description = "; ".join(f"{cell.row}, {cell.column.replace(chr(10), ' ')}: {cell.text}" for cell in cells)
    return chart(title, description, spec, caption=caption, width=LABEL_WIDTH + CELL_WIDTH * len(columns))


def _band(field: str, domain: Sequence[str], axis: dict[str, Any]) -> dict[str, Any]:
    scale = {"domain": list(domain), "paddingInner": 0.04, "paddingOuter": 0}
    return {"field": field, "type": "nominal", "scale": scale, "sort": None, "title": None, "axis": axis}
