"""Terminal tables: every method and figure, the best marked, nothing interpreted."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from polyscene.report import render_terminal, write_metrics


def printed(run: Path, width: int = 140) -> str:
    file = io.StringIO()
    render_terminal(run, Console(file=file, width=width, color_system=None))
    return file.getvalue()


def test_figures_seeds_costs_and_what_was_left_out(run: Path) -> None:
    text = printed(run)
    for part in ("0.1235 *", "0.1111", "0.0178", "0.0714 *", "310.2", "One seed (0)", "2.2 GiB", "42,810"):
        assert part in text
    assert "music was left out: data not available" in text
    assert "joint model is clearly above the best other method, single-scenario model" in text


@pytest.mark.parametrize("width", [40, 80, 140])
def test_tables_fit_the_terminal_and_keep_the_first_metric(run: Path, width: int) -> None:
    lines = [line for line in printed(run, width).splitlines() if "─" in line]
    assert lines
    assert max(map(len, lines)) <= width
    assert "ndcg@10" in printed(run, width)


@pytest.mark.parametrize("width", [60, 70, 80])
def test_no_figure_is_cut_where_there_are_more_blocks_than_room(
    run: Path, metrics: dict[str, Any], width: int
) -> None:
    own = [row for row in metrics["results"] if row["metric"] == "ndcg@10"]
    more = [{**row, "view": f"view {number}"} for number in range(6) for row in own]
    write_metrics(run, metrics | {"results": [*metrics["results"], *more]})
    lines = printed(run, width).splitlines()
    assert sum("view " in line for line in lines) > 1
    assert [line for line in lines if "…" in line] == []
    shown = sum(line.count("0.1235 *") for line in lines)
    assert shown == 1 + 6, f"{shown} of 7 views show the joint model"
    assert sum("310.2" in line for line in lines) == 1


def test_a_wider_terminal_shows_more_metrics(run: Path) -> None:
    assert "recall@10" not in printed(run, 60)
    assert "recall@10" in printed(run, 140)


def test_brackets_are_text_not_markup(run: Path, metrics: dict[str, Any]) -> None:
    metrics["results"][2]["method"] = "[bold]single[/bold]"
    write_metrics(run, metrics)
    assert "[bold]single[/bold]" in printed(run)


def test_a_run_without_results_prints_its_costs(run: Path, metrics: dict[str, Any]) -> None:
    write_metrics(run, metrics | {"results": [], "seconds": {}})
    assert "Time: not measured." in printed(run)
