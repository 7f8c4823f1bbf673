"""The curve from cold items to popular ones: how many targets a method finds, by how often training saw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from polyscene.report.charts import Line, Point, lines
from polyscene.report.summary import method_title

ACROSS = "times that training saw the item"
CAPTION = (
    "Test targets among the first ten of all items, by how often training saw the item; 0: cold items. "
    "Whiskers: standard error over targets"
)


def count_chart(scenario: str, rows: Sequence[Mapping[str, Any]]) -> Markup | str:
    """A line per method over groups of targets; empty where a scenario has less than two groups.

    Args:
        scenario: whose rows.
        rows: ``by_count`` of metrics.json.
    """
    own = [row for row in rows if row["scenario"] == scenario]
    groups = sorted({(row["low"], row["high"], row["targets"]) for row in own}, key=lambda group: group[0])
    if len({low for low, _, _ in groups}) < 2:
        return ""
    methods: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(own, key=lambda row: row["low"]):
        methods.setdefault(row["method"], []).append(row)
    first = next((row["method"] for row in own), "")
    drawn = [
        Line(
            method_title(method),
            [Point(_label(row), row["value"], row["standard_error"]) for row in found],
            own=method == first,
        )
        for method, found in methods.items()
    ]
    return lines(f"{scenario} by count", drawn, x=ACROSS, y="recall@10 of targets", even=True, caption=CAPTION)


def _label(row: Mapping[str, Any]) -> str:
    low, high = row["low"], row["high"]
    span = f"{low:,}" if low == high else f"{low:,} and more" if high is None else f"{low:,}-{high:,}"
    return f"{span}\n{row['targets']:,} targets"
