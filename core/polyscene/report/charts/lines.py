"""Lines over steps or numbers of rows: one per method or run, with its spread."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from polyscene.report.charts.chart import chart
from polyscene.report.units import figure

DOTTED = 12  # so many points are shown as dots; more are a line only
SERIES = [f"var(--series-{number})" for number in range(1, 9)]
DASHES = [[6, 3], [2, 3], [9, 3, 2, 3], [1, 0], [4, 2], [12, 4], [2, 2, 6, 2], [1, 4]]


@dataclass(frozen=True)
class Point:
    """A point of a line, with its spread to both sides where it is known; ``x`` may be words where ``even``."""

    x: float | str
    y: float
    spread: float | None = None


@dataclass(frozen=True)
class Line:
    """One line: its label, its points by ascending ``x``, and whether it is what the page is about."""

    label: str
    points: Sequence[Point]
    own: bool = False


def lines(
    title: str,
    drawn: Sequence[Line],
    *,
    x: str = "step",
    y: str = "",
    even: bool = False,
    height: int = 240,
    caption: str = "",
) -> Markup:
    """A chart of lines with a legend where there are several; a click in the legend singles one out.

    Args:
        title: what the chart shows.
        drawn: the lines.
        x: what runs from left to right.
        y: what runs upwards.
        even: space the values of ``x`` evenly, as befits 0, 1, 4, 16, 64.
        height: in pixels.
        caption: what stands below.
    """
    rows = [
        {
            "label": line.label,
            "x": point.x,
            "y": point.y,
            "low": point.y - (point.spread or 0.0),
            "high": point.y + (point.spread or 0.0),
            "written": figure(point.y) + (f" ± {figure(point.spread)}" if point.spread is not None else ""),
        }
        for line in drawn
        for point in line.points
    ]
    several = len(drawn) > 1
    dotted = max((len(line.points) for line in drawn), default=0) <= DOTTED
    words = {"labelAngle": 0, "labelExpr": "split(datum.label, '\\n')"}
    across = (
        {"axis": words, "sort": None, "scale": {"domain": _places(drawn)}}
        if even
        else {"axis": {"tickCount": 5}, "scale": {"nice": False, "zero": False}}
    )
    upwards = {"type": "quantitative", "scale": {"zero": False}, "title": y or None}
    color, dash = _telling_apart(drawn)
    encoding = {
        "x": {"field": "x", "type": "ordinal" if even else "quantitative", "title": x, **across},
        "tooltip": [
            {"field": "label", "title": title},
            {"field": "x", "title": x},
            {"field": "written", "title": y or title},
        ],
        "color": color,
    }
    whole: dict[str, Any] = {
        "mark": {"type": "line", "strokeWidth": 1.8, "point": {"size": 36} if dotted else False},
        "encoding": {"y": {"field": "y", **upwards}, "strokeDash": dash},
    }
    spread: dict[str, Any] = {
        "transform": [{"filter": "datum.low < datum.high"}],
        "mark": "rule" if dotted else {"type": "area", "strokeWidth": 0},
        "encoding": {
            "y": {"field": "low", **upwards},
            "y2": {"field": "high"},
            "opacity": {"value": 0.6 if dotted else 0.15},
        },
    }
    if several:
        whole["params"] = [{"name": "chosen", "select": {"type": "point", "fields": ["label"]}, "bind": "legend"}]
        for layer, strength in ((whole, 1.0), (spread, spread["encoding"]["opacity"]["value"])):
            chosen = {"condition": {"param": "chosen", "value": strength}, "value": strength / 6}
            layer["encoding"]["opacity"] = chosen
    uncertain = any(point.spread for line in drawn for point in line.points)
    spec = {
        "height": height,
        "data": {"values": rows},
        "encoding": encoding,
        "layer": [spread, whole] if uncertain else [whole],
    }
    return chart(title, "; ".join(map(_described, drawn)), spec, caption=caption)


def _telling_apart(drawn: Sequence[Line]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Colors and dashes: the page's own color, undashed, for what it is about, a series of both for the others."""
    alone = len(drawn) == 1
    series = itertools.cycle(zip(SERIES, DASHES, strict=True))
    styles = [("var(--own)", [1, 0]) if line.own or alone else next(series) for line in drawn]
    field = {"field": "label", "type": "nominal", "sort": None}
    field["legend"] = None if alone else {"orient": "bottom", "columns": 3, "title": None, "labelLimit": 260}
    labels = [line.label for line in drawn]
    color = {**field, "scale": {"domain": labels, "range": [color for color, _ in styles]}}
    dash = {**field, "scale": {"domain": labels, "range": [dash for _, dash in styles]}}
    return color, dash


def _places(drawn: Sequence[Line]) -> list[float | str]:
    """All values of ``x``: numbers ascending, words as they come."""
    found = dict.fromkeys(point.x for line in drawn for point in line.points)
    numbers = [place for place in found if not isinstance(place, str)]
    return [*sorted(numbers), *(place for place in found if isinstance(place, str))]


def _described(line: Line) -> str:
    if not line.points:
        return line.label
    first, last = line.points[0], line.points[-1]
    values = [point.y for point in line.points]
    return (
        f"{line.label} from {figure(first.y)} at {first.x} to {figure(last.y)} at {last.x}, "
        f"lowest {figure(min(values))}, highest {figure(max(values))}"
    )
