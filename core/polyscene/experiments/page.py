"""The report of an experiment as a page that needs nothing outside itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from polyscene.experiments.course import Look
from polyscene.experiments.plan import ExperimentSpec
from polyscene.experiments.ratio import LEVEL
from polyscene.experiments.reporting import Seen
from polyscene.experiments.tables import figure, interval
from polyscene.report.charts import Line, Point, lines
from polyscene.report.page import write_page

HOME = "polyscene.experiments"


def write_experiment_page(folder: Path, name: str, spec: ExperimentSpec, seen: Seen) -> Path:
    """Writes ``folder/report.html`` and returns its path.

    Args:
        folder: made where it is missing.
        name: of the experiment.
        spec: as it is planned.
        seen: what it brought.

    Raises:
        CheckpointError: the page cannot be written.
    """
    values = {
        "report": seen.report,
        "spec": spec,
        "least": LEVEL,
        "written": figure,
        "interval": interval,
        "charts": _charts(seen.report.reward, seen.courses),
    }
    return write_page(folder, "experiment.html.j2", values, HOME, name=name)


def _charts(reward: str, courses: Mapping[str, Sequence[Look]]) -> list[Markup]:
    """The course of each arm, from where its bounds are finite."""
    drawn = []
    for arm, looks in courses.items():
        points = [
            Point(look.users, look.change.estimate, look.change.high - look.change.estimate)
            for look in looks
            if math.isfinite(look.change.high)
        ]
        if len(points) > 1:
            line = Line(f"{arm} minus control", points, own=True)
            title = f"{arm} against control, {reward} per list"
            caption = f"{line.label}. Shaded: where it may lie, at all looks together; off 0 it is decided"
            drawn.append(lines(title, [line], x="users observed", y="difference", caption=caption))
    return drawn
