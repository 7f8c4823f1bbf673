"""The curve over shots: means and spreads over draws, what is said of them, the table and the chart."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from polyscene.report import render_terminal, write_html, write_metrics
from polyscene.report.few_shot import shot_chart, shot_curves, shot_table
from tests.report.drawn import specs

VALUES = {
    ("adapted", 1): [0.1, 0.2],
    ("adapted", 16): [0.5, 0.6],
    ("scratch", 1): [0.12, 0.2],
    ("scratch", 16): [0.2, 0.3],
}


def few_shot(metric: str = "ndcg@10") -> list[dict[str, Any]]:
    return [
        {
            "scenario": "music",
            "view": "all",
            "population": "warm",
            "method": method,
            "metric": metric,
            "value": value,
            "shots": shots,
            "draw": draw,
        }
        for (method, shots), values in VALUES.items()
        for draw, value in enumerate(values)
    ]


def test_means_and_standard_deviations_over_draws() -> None:
    [curve] = shot_curves([*few_shot(), *few_shot("recall@10")])
    assert (curve.metric, curve.shots) == ("ndcg@10", (1, 16))
    point = curve.points["adapted"][16]
    assert (point.mean, point.spread) == (pytest.approx(0.55), pytest.approx(0.0707107))
    assert point.values == {0: 0.5, 1: 0.6}
    [alone] = shot_curves([row for row in few_shot() if not row["draw"]])
    assert alone.points["adapted"][16].spread is None


def test_a_difference_is_compared_with_both_spreads_and_draw_by_draw() -> None:
    [curve] = shot_curves(few_shot())
    assert curve.verdicts() == [
        "1 shot: adapted is within the spread of scratch (ahead in 0 of 2 draws) (ndcg@10)",
        "16 shots: adapted is above scratch (ahead in 2 of 2 draws) (ndcg@10)",
    ]
    [lower] = shot_curves(few_shot("log_loss"))
    assert lower.verdicts()[1] == "16 shots: adapted is below scratch (ahead in 0 of 2 draws) (log_loss)"


def test_the_table_marks_the_best_of_each_column() -> None:
    [curve] = shot_curves(few_shot())
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(shot_table(curve))
    text = console.export_text()
    assert "0.5500 ± 0.0707 *" in text
    assert "0.1600 ± 0.0566 *" in text


def test_the_chart_holds_means_and_spreads_and_the_adapted_model_stands_out() -> None:
    [curve] = shot_curves(few_shot())
    [spec] = specs(shot_chart(curve)).values()
    rows = {(row["label"], row["x"]): row for row in spec["data"]["values"]}
    assert rows["adapted model", 16]["y"] == pytest.approx(0.55)
    assert rows["scratch", 1]["high"] == pytest.approx(0.16 + 0.0565685, rel=1e-5)
    assert spec["encoding"]["color"]["scale"]["range"][0] == "var(--own)"
    assert spec["encoding"]["x"]["type"] == "ordinal", "1, 4, 16, 64 stand at even distances"


def test_terminal_and_page_show_the_curve(tmp_path: Path, metrics: dict[str, Any]) -> None:
    write_metrics(tmp_path, {**metrics, "few_shot": few_shot()})
    console = Console(width=120, record=True, file=io.StringIO())
    render_terminal(tmp_path, console)
    assert "music ndcg@10 by number of shots" in console.export_text()
    page = write_html(tmp_path).read_text(encoding="utf-8")
    assert "By number of labelled rows" in page
    assert "adapted is above scratch" in page
    assert json.loads((tmp_path / "metrics.json").read_text())["few_shot"]
