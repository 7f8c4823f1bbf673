"""Parallel coordinates: one line per run over what was chosen and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from polyscene.report.charts.chart import chart
from polyscene.report.units import figure

AXIS_WIDTH = 110
WHOLE = 2  # from here on a number without a fraction is a count; 0 and 1 may be metrics


def parallel(
    title: str,
    runs: Mapping[str, Mapping[str, float | str]],
    *,
    axes: Sequence[str],
    color: str,
    caption: str = "",
) -> Markup:
    """A line for each run that crosses an upright axis for each quantity; pointing at a line singles it out.

    Args:
        title: what the chart shows.
        runs: by name, the run's value on each axis: numbers are placed from the lowest to the highest, words at
            even distances in the order in which they first appear. A run without a value has a gap there.
        axes: from left to right.
        color: the axis whose values color the lines, from soft to strong where they are numbers.
        caption: what stands below.
    """
    places = {axis: _places(axis, runs) for axis in axes}
    strength = {name: places[color].get(values.get(color, ""), 0.0) for name, values in runs.items()}
    rows = [
        {
            "run": name,
            "axis": axis,
            "place": places[axis][values[axis]],
            "written": f"{axis}: {_written(values[axis])}",
            "strength": strength[name],
        }
        for name, values in runs.items()
        for axis in axes
        if axis in values
    ]
    marks = [{"axis": axis, **mark} for axis in axes for mark in _marks(places[axis])]
    across = {"field": "axis", "type": "nominal", "scale": {"domain": list(axes)}, "sort": None, "title": None}
    upright = {"type": "quantitative", "axis": None, "scale": {"domain": [0, 1]}}
    hover = {
        "name": "hover",
        "select": {"type": "point", "fields": ["run"], "on": "pointerover", "clear": "pointerout"},
    }
    spec: dict[str, Any] = {
        "height": 260,
        "encoding": {
            "x": across
            | {"axis": {"labelAngle": 0, "orient": "top", "domain": False, "ticks": False, "offset": 8}}
        },
        "layer": [
            {
                "data": {"values": [{"axis": axis} for axis in axes]},
                "mark": {"type": "rule", "stroke": "var(--line)"},
            },
            {
                "data": {"values": rows},
                "params": [hover],
                "mark": {
                    "type": "line",
                    "point": {"size": 40, "color": "var(--own)"},
                    "strokeWidth": 1.8,
                    "color": "var(--own)",
                },
                "encoding": {
                    "y": {"field": "place", **upright},
                    "detail": {"field": "run"},
                    "opacity": {
                        "condition": [
                            {"param": "hover", "empty": False, "value": 1},
                            {"test": "length(data('hover_store')) > 0", "value": 0.1},
                        ],
                        "field": "strength",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1], "range": [0.25, 1]},
                        "legend": None,
                    },
                    "tooltip": [{"field": "run", "title": "run"}, {"field": "written", "title": "value"}],
                },
            },
            # The first of the two is a halo that keeps lines away from the letters.
            *(
                {
                    "data": {"values": marks},
                    "mark": {"type": "text", "align": "left", "dx": 7, "fontSize": 11, **style},
                    "encoding": {"y": {"field": "place", **upright}, "text": {"field": "written"}},
                }
                for style in ({"stroke": "var(--card)", "strokeWidth": 3}, {})
            ),
        ],
    }
    description = "; ".join(
        f"{name}: " + ", ".join(f"{axis} {_written(values[axis])}" for axis in axes if axis in values)
        for name, values in runs.items()
    )
    return chart(title, description, spec, caption=caption, width=AXIS_WIDTH * len(axes))


def _places(axis: str, runs: Mapping[str, Mapping[str, float | str]]) -> dict[float | str, float]:
    """Where each value stands on an axis, from 0 at the bottom to 1 at the top."""
    values = list(dict.fromkeys(run[axis] for run in runs.values() if axis in run))
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) == len(values) and len(values) > 1:
        low, high = min(numbers), max(numbers)
        return {value: (value - low) / (high - low) for value in numbers}
    return {value: number / (len(values) - 1) if len(values) > 1 else 0.5 for number, value in enumerate(values)}


def _marks(places: Mapping[float | str, float]) -> list[dict[str, Any]]:
    """What is written beside an axis: every word, or the lowest and the highest number."""
    shown = (
        places
        if any(isinstance(value, str) for value in places)
        else {value: place for value, place in places.items() if place in (0.0, 0.5, 1.0)}
    )
    return [{"place": place, "written": _written(value)} for value, place in shown.items()]


def _written(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= WHOLE else figure(value)
