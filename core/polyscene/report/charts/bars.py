"""Horizontal bars from zero, in the given order, each with its label, value and spread written above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from polyscene.report.charts.chart import chart
from polyscene.report.units import figure

LINE_HEIGHT, BAR_OFFSET = (
    40,
    10,
)  # pixels: a line of text above each bar, which leaves the bar all of a phone's width


@dataclass(frozen=True)
class Bar:
    """One bar: its label, length, spread to both sides (if known) and whether it is what the page is about.

    ``text`` is written instead of the figure, for lengths with a unit.
    """

    label: str
    value: float
    spread: float | None = None
    own: bool = False
    text: str = ""

    @property
    def written(self) -> str:
        return self.text or figure(self.value) + (f" ± {figure(self.spread)}" if self.spread is not None else "")


def bars(title: str, values: Sequence[Bar], *, axis: str = "", caption: str = "") -> Markup:
    """A bar for each value; whiskers show the spread.

    Args:
        title: what the chart shows.
        values: the bars from top to bottom; labels that repeat share a line.
        axis: what the lengths are, such as a metric.
        caption: what stands below.
    """
    rows = [
        {
            "label": bar.label,
            "value": bar.value,
            "written": bar.written,
            "low": bar.value - (bar.spread or 0.0),
            "high": bar.value + (bar.spread or 0.0),
            "own": bar.own,
        }
        for bar in values
    ]
    y = {"field": "label", "type": "nominal", "sort": None, "axis": None, "scale": {"paddingOuter": 0}}
    x = {"type": "quantitative", "title": axis or None, "axis": {"tickCount": 5}}
    above = {"type": "text", "baseline": "bottom", "dy": -9}
    whiskers = {
        "transform": [{"filter": "datum.low < datum.high"}],
        "mark": {"type": "errorbar", "color": "var(--ink)", "ticks": {"size": 8}},
        "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}},
    }
    spec: dict[str, Any] = {
        "height": LINE_HEIGHT * len({bar.label for bar in values}),
        "data": {"values": rows},
        "encoding": {
            "y": y,
            "yOffset": {"value": {"expr": f"bandwidth('y') / 2 + {BAR_OFFSET}"}},
            "tooltip": [{"field": "label", "title": title}, {"field": "written", "title": axis or "value"}],
        },
        "layer": [
            {
                "mark": {"type": "bar", "height": 14, "cornerRadius": 2},
                "encoding": {
                    "x": {"field": "value", **x},
                    "color": {"condition": {"test": "datum.own", "value": "var(--own)"}, "value": "var(--other)"},
                },
            },
            *([whiskers] if any(bar.spread for bar in values) else []),
            {"mark": {**above, "align": "left"}, "encoding": {"x": {"value": 0}, "text": {"field": "label"}}},
            {
                "mark": {**above, "align": "right"},
                "encoding": {"x": {"value": "width"}, "text": {"field": "written"}},
            },
        ],
    }
    return chart(title, "; ".join(f"{bar.label} {bar.written}" for bar in values), spec, caption=caption)
