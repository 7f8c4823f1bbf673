"""How the scenarios of a run differ and what they have in common, as heat maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from markupsafe import Markup

from polyscene.report.charts import Cell, heat
from polyscene.report.history import Curve

SHARED = {
    "words": "Running words of the one (down) that the other (across) has as well",
    "users": "Users of the one (down) that the other (across) has as well",
    "items": "Items of the one (down) that the other (across) has as well",
}
FACTS = {
    "users": "{:,}",
    "items": "{:,}",
    "interactions": "{:,}",
    "training_rows": "{:,}",
    "density": "{:.2%}",
    "rows_per_user": "{:,g}",
    "rows_per_item": "{:,g}",
    "text_coverage": "{:.0%}",
    "distinct_words": "{:,}",
}
"""What the table of scenarios shows of ``scenarios.facts``, and how it is written."""
COSINE = "cosine/"


def shared_maps(comparison: Mapping[str, Any]) -> list[Markup]:
    """A heat map for each thing that at least one pair of scenarios can have in common."""
    names = list(comparison["facts"])
    maps = []
    for what, title in SHARED.items():
        cells = [
            Cell(pair["of"], pair["known_from"], f"{pair[what]:.0%}", shade=pair[what])
            for pair in comparison["shared"]
            if pair[what] is not None
        ]
        if cells:
            maps.append(heat(title, cells, rows=names, columns=names, caption=title))
    return maps


def cosine_map(cosines: Sequence[tuple[str, str, float, str]]) -> Markup:
    """A heat map of the cosines between the gradients of two scenarios.

    Args:
        cosines: two scenarios, the mean cosine, and its spread in words.
    """
    names = list(dict.fromkeys(name for one in cosines for name in one[:2]))
    cells = [
        Cell(row, column, f"{mean:+.3f}", spread, mean)
        for first, second, mean, spread in cosines
        for row, column in ((first, second), (second, first))
    ]
    title = "Cosine between the gradients of scenarios"
    return heat(
        title, cells, rows=names, columns=names, caption=f"{title}: below zero they pull against each other"
    )


def mean_cosines(curves: Iterable[Curve]) -> list[tuple[str, str, float, str]]:
    """What a balancer recorded of the scenarios' gradients during training, averaged over the steps."""
    return [
        (curve.scenario, curve.metric.removeprefix(COSINE), fmean(value for _, value in curve.points), "")
        for curve in curves
        if curve.metric.startswith(COSINE) and not curve.scenario.endswith(")")
    ]
