"""Learning curves of variants: means over the seeds that were trained so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, stdev

from markupsafe import Markup

from polyscene.comparison.table import Comparison, Entry
from polyscene.report.charts import Line, Point, lines

LOSS = "loss"
MOST_LINES = 12  # more cannot be told apart


def curve_charts(comparison: Comparison) -> Iterator[tuple[str, list[Markup]]]:
    """For each scenario its charts: what training was steered by, and the loss."""
    own = [entry for entry in comparison.entries if entry.own][:MOST_LINES]
    recorded = dict.fromkeys(
        (curve.scenario, curve.metric) for entry in own for run in entry.runs for curve in run.curves
    )
    for scenario in dict.fromkeys(column.scenario for column in comparison.columns):
        metrics = [metric for name, metric in recorded if name == scenario and not metric.startswith("cosine/")]
        charts = [
            lines(f"{scenario}: {metric}", drawn, y=metric, caption=f"{metric} on validation rows")
            if metric != LOSS
            else lines(f"{scenario}: loss", drawn, y=LOSS, caption="loss on training rows")
            for metric in metrics
            if (drawn := [line for entry in own if (line := _line(entry, scenario, metric)) is not None])
        ]
        if charts:
            yield scenario, charts


def _line(entry: Entry, scenario: str, metric: str) -> Line | None:
    values: dict[float, list[float]] = {}
    for run in entry.runs:
        for curve in run.curves:
            if (curve.scenario, curve.metric) == (scenario, metric):
                for step, value in curve.points:
                    values.setdefault(step, []).append(value)
    points = [_point(step, found) for step, found in sorted(values.items())]
    return Line(entry.label or "the run", points) if points else None


def _point(step: float, values: Sequence[float]) -> Point:
    return Point(step, fmean(values), stdev(values) if len(values) > 1 else None)
