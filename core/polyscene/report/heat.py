"""A heat map as inline SVG: figures in a grid, shaded by gain and loss in the colors of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polyscene.report.svg import svg

LABEL_WIDTH, CELL_WIDTH, CELL_HEIGHT, HEAD_HEIGHT, GAP = 170, 124, 50, 42, 3
# The darkest shade still leaves the figure on it readable, in light and in dark.
STRONGEST = 0.6


@dataclass(frozen=True)
class Heat:
    """One cell: what is written in it, and its shade from -1 (loss) over 0 (none) to 1 (gain)."""

    text: str
    small: str
    shade: float
    framed: bool = False


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[tuple[str, str]],
    cells: Mapping[tuple[int, int], Heat],
) -> Markup:
    """A grid of cells; those that are missing stay empty.

    Args:
        title: what the map shows.
        rows: the labels at the left.
        columns: the labels above, with a smaller line below each.
        cells: by row and column.
    """
    width = LABEL_WIDTH + len(columns) * CELL_WIDTH
    height = HEAD_HEIGHT + len(rows) * CELL_HEIGHT
    parts = [
        Markup(
            '<text class="middle" x="{0}" y="15">{1}</text><text class="middle note" x="{0}" y="31">{2}</text>'
        ).format(LABEL_WIDTH + (j + 0.5) * CELL_WIDTH, name, note)
        for j, (name, note) in enumerate(columns)
    ]
    parts += [
        Markup('<text class="label" x="{}" y="{}">{}</text>').format(
            LABEL_WIDTH - 12, HEAD_HEIGHT + (i + 0.5) * CELL_HEIGHT + 4, name
        )
        for i, name in enumerate(rows)
    ]
    parts += [_cell(cell, i, j, f"{rows[i]}, {columns[j][0]}") for (i, j), cell in cells.items()]
    description = "; ".join(f"{rows[i]}, {columns[j][0]}: {cell.text}" for (i, j), cell in cells.items())
    return svg(title, description, width, height, parts)


def _cell(cell: Heat, row: int, column: int, name: str) -> Markup:
    left, top = LABEL_WIDTH + column * CELL_WIDTH, HEAD_HEIGHT + row * CELL_HEIGHT
    middle = left + CELL_WIDTH / 2
    kind = ("gain" if cell.shade >= 0 else "loss") + (" framed" if cell.framed else "")
    return Markup(
        '<g><title>{}: {} {}</title><rect class="heat {}" fill-opacity="{}" x="{}" y="{}" width="{}" height="{}" '
        'rx="4"/><text class="middle figure" x="{}" y="{}">{}</text><text class="middle note" x="{}" y="{}">{}'
        "</text></g>"
    ).format(
        *(name, cell.text, cell.small, kind, round(STRONGEST * min(1.0, abs(cell.shade)), 3)),
        *(left + GAP / 2, top + GAP / 2, CELL_WIDTH - GAP, CELL_HEIGHT - GAP),
        *(middle, top + 22, cell.text, middle, top + 39, cell.small),
    )
