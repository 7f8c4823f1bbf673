"""What a model learned from a few labelled rows: methods over numbers of shots, with the spread over draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from markupsafe import Markup
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from polyscene.report.summary import lower_is_better, method_title
from polyscene.report.svg import svg, ticks
from polyscene.report.units import figure

ADAPTED = "adapted"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 620, 260, 56, 150, 14, 40
_DASHES = ("", "6 4", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Point:
    """A figure over draws: mean, standard deviation (None of one draw) and the draws' number."""

    mean: float
    spread: float | None
    draws: int


@dataclass(frozen=True)
class ShotCurve:
    """One metric of a scenario by method and number of shots.

    Args:
        title: scenario, view and metric.
        metric: the metric.
        shots: numbers of shots, ascending.
        points: by method and number of shots.
    """

    title: str
    metric: str
    shots: tuple[int, ...]
    points: Mapping[str, Mapping[int, Point]]

    def verdicts(self) -> list[str]:
        """For each number of shots, how the adapted model stands against each other method.

        A difference is beyond the spread where it is larger than the standard deviations over draws together.
        """
        sign = -1 if lower_is_better(self.metric) else 1
        lines = []
        for shots in self.shots:
            own = self.points[ADAPTED].get(shots)
            if own is None:
                continue
            words = []
            for method, points in self.points.items():
                if method == ADAPTED or shots not in points:
                    continue
                other = points[shots]
                gain = sign * (own.mean - other.mean)
                noise = math.hypot(own.spread or 0.0, other.spread or 0.0)
                beyond = "within the spread of" if abs(gain) <= noise else "above" if gain > 0 else "below"
                words.append(f"{beyond} {method_title(method)}")
            if words:
                lines.append(
                    f"{shots:,} shot{'' if shots == 1 else 's'}: adapted is {', '.join(words)} ({self.metric})"
                )
        return lines


def shot_curves(rows: Sequence[Mapping[str, Any]], *, all_metrics: bool = False) -> list[ShotCurve]:
    """The curves in rows of ``few_shot``: the first metric of each view, or all of them."""
    found: dict[tuple[str, str, str, str], dict[str, dict[int, list[float]]]] = {}
    for row in rows:
        if row["population"] != "warm":
            continue
        key = (row["scenario"], row["view"], row["population"], row["metric"])
        if not all_metrics and any(key[:3] == other[:3] and key != other for other in found):
            continue
        methods = found.setdefault(key, {})
        methods.setdefault(row["method"], {}).setdefault(row["shots"], []).append(row["value"])
    return [
        ShotCurve(
            " ".join([scenario, *([] if view == "all" else [view]), metric]),
            metric,
            tuple(sorted({shots for by_shots in methods.values() for shots in by_shots})),
            {
                method: {shots: _point(values) for shots, values in by_shots.items()}
                for method, by_shots in methods.items()
            },
        )
        for (scenario, view, _, metric), methods in found.items()
    ]


def shot_table(curve: ShotCurve) -> Table:
    """A line per method, a column per number of shots: mean ± standard deviation over draws, the best marked."""
    title = Text(f"{curve.title} by number of shots", style="bold")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("method", no_wrap=True)
    for shots in curve.shots:
        table.add_column(f"{shots:,}", justify="right")
    for method, points in curve.points.items():
        cells = [
            Text("-", style="dim") if shots not in points else _cell(curve, method, shots) for shots in curve.shots
        ]
        table.add_row(Text(method_title(method)), *cells)
    return table


def shot_chart(curve: ShotCurve) -> Markup:
    """The curve as inline SVG: a line per method over evenly spaced numbers of shots, whiskers over draws."""
    points = [point for by_shots in curve.points.values() for point in by_shots.values()]
    low = min(point.mean - (point.spread or 0.0) for point in points)
    high = max(point.mean + (point.spread or 0.0) for point in points)
    marks = ticks(low, high, 5)
    low, high = min(low, marks[0]), max(high, marks[-1])

    def x(shots: int) -> float:
        place = curve.shots.index(shots) / max(1, len(curve.shots) - 1)
        return round(LEFT + (WIDTH - LEFT - RIGHT) * place, 2)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / ((high - low) or 1.0), 2)

    parts = [
        Markup('<path class="grid" d="M{} {}H{}"/><text class="tick y" x="{}" y="{}">{}</text>').format(
            LEFT, y(mark), WIDTH - RIGHT, LEFT - 6, y(mark) + 4, f"{mark:g}"
        )
        for mark in marks
    ]
    parts += [
        Markup('<text class="tick x" x="{}" y="{}">{}</text>').format(x(shots), HEIGHT - BOTTOM + 16, f"{shots:,}")
        for shots in curve.shots
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(Markup('<text class="tick x" x="{}" y="{}">labelled rows</text>').format(middle, HEIGHT - 6))
    taken: list[float] = []
    for number, (method, by_shots) in enumerate(curve.points.items()):
        parts.append(_line(method, by_shots, x, y, _DASHES[number % len(_DASHES)]))
        last = max(by_shots)
        beside = y(by_shots[last].mean)
        while any(abs(beside - other) < 13 for other in taken):  # labels must not lie on each other
            beside += 13
        taken.append(beside)
        parts.append(
            Markup('<text x="{}" y="{}">{}</text>').format(WIDTH - RIGHT + 12, beside + 4, method_title(method))
        )
    description = "; ".join(
        f"{method_title(method)}: "
        + ", ".join(f"{shots} shots {figure(point.mean)}" for shots, point in sorted(by_shots.items()))
        for method, by_shots in curve.points.items()
    )
    return svg(curve.title, description, WIDTH, HEIGHT, parts)


def _line(method: str, by_shots: Mapping[int, Point], x: Any, y: Any, dashes: str) -> Markup:
    places = [(x(shots), point) for shots, point in sorted(by_shots.items())]
    path = "M" + "L".join(f"{place} {y(point.mean)}" for place, point in places)
    drawn = Markup('<path class="line{}" stroke-dasharray="{}" d="{}"/>').format(
        "" if method == ADAPTED else " other", dashes or "none", path
    )
    for place, point in places:
        drawn += Markup('<circle class="dot{}" cx="{}" cy="{}" r="3"/>').format(
            "" if method == ADAPTED else " other", place, y(point.mean)
        )
        if point.spread:
            drawn += Markup('<path class="error" d="M{0} {1}V{2}"/>').format(
                place, y(point.mean - point.spread), y(point.mean + point.spread)
            )
    return drawn


def _cell(curve: ShotCurve, method: str, shots: int) -> Text:
    point = curve.points[method][shots]
    values = [points[shots].mean for points in curve.points.values() if shots in points]
    best = point.mean == (min if lower_is_better(curve.metric) else max)(values) and len(set(values)) > 1
    spread = "" if point.spread is None else f" ± {figure(point.spread)}"
    return Text(f"{figure(point.mean)}{spread}{' *' if best else ''}", style="bold green" if best else "")


def _point(values: list[float]) -> Point:
    return Point(fmean(values), stdev(values) if len(values) > 1 else None, len(values))
