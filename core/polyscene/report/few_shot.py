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

from polyscene.report.charts import Line, Point, lines
from polyscene.report.summary import lower_is_better, method_title
from polyscene.report.units import figure

ADAPTED = "adapted"


@dataclass(frozen=True)
class Drawn:
    """A figure by draw of rows."""

    values: Mapping[int, float]

    @property
    def mean(self) -> float:
        """Over draws."""
        return fmean(self.values.values())

    @property
    def spread(self) -> float | None:
        """Standard deviation over draws; None of one."""
        return stdev(self.values.values()) if len(self.values) > 1 else None


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
    points: Mapping[str, Mapping[int, Drawn]]

    def verdicts(self) -> list[str]:
        """For each number of shots, how the adapted model stands against each other method.

        A difference is beyond the spread where it is larger than the standard deviations over draws together. As
        methods share the rows of a draw, it is also said in how many draws the adapted model is ahead.
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
                both = own.values.keys() & other.values.keys()
                ahead = sum(sign * (own.values[draw] - other.values[draw]) > 0 for draw in both)
                draws = f" (ahead in {ahead} of {len(both)} draws)" if len(both) > 1 else ""
                words.append(f"{beyond} {method_title(method)}{draws}")
            if words:
                lines.append(
                    f"{shots:,} shot{'' if shots == 1 else 's'}: adapted is {', '.join(words)} ({self.metric})"
                )
        return lines


def shot_curves(rows: Sequence[Mapping[str, Any]], *, all_metrics: bool = False) -> list[ShotCurve]:
    """The curves in rows of ``few_shot``: the first metric of each view, or all of them."""
    found: dict[tuple[str, str, str, str], dict[str, dict[int, dict[int, float]]]] = {}
    for row in rows:
        if row["population"] != "warm":
            continue
        key = (row["scenario"], row["view"], row["population"], row["metric"])
        if not all_metrics and any(key[:3] == other[:3] and key != other for other in found):
            continue
        methods = found.setdefault(key, {})
        methods.setdefault(row["method"], {}).setdefault(row["shots"], {})[row["draw"]] = row["value"]
    return [
        ShotCurve(
            " ".join([scenario, *([] if view == "all" else [view]), metric]),
            metric,
            tuple(sorted({shots for by_shots in methods.values() for shots in by_shots})),
            {
                method: {shots: Drawn(values) for shots, values in by_shots.items()}
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
    """A line per method over evenly spaced numbers of shots, whiskers over draws."""
    drawn = [
        Line(
            method_title(method),
            [Point(shots, point.mean, point.spread) for shots, point in sorted(by_shots.items())],
            own=method == ADAPTED,
        )
        for method, by_shots in curve.points.items()
    ]
    caption = f"{curve.title}; whiskers: standard deviation over draws of rows"
    return lines(curve.title, drawn, x="labelled rows", y=curve.metric, even=True, caption=caption)


def _cell(curve: ShotCurve, method: str, shots: int) -> Text:
    point = curve.points[method][shots]
    values = [points[shots].mean for points in curve.points.values() if shots in points]
    best = point.mean == (min if lower_is_better(curve.metric) else max)(values) and len(set(values)) > 1
    spread = "" if point.spread is None else f" ± {figure(point.spread)}"
    return Text(f"{figure(point.mean)}{spread}{' *' if best else ''}", style="bold green" if best else "")
