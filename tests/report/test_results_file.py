"""Benchmark results on file, and the page rendered from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.quality.seeds import OverSeeds, protocol_of
from benchmarks.render import PAGE, render
from benchmarks.results import FIELDS, RESULTS, read_results, row_problems, update_results, write_results

ROW = {
    "protocol": "leave one out, full ranking",
    "scenario": "video",
    "method": "popularity",
    "metric": "ndcg@10",
    "mean": 0.0178,
    "std": None,
    "seeds": [0],
    "command": "python -m benchmarks.quality.controls",
    "date": "2026-11-22",
    "machine": "test",
}


def test_rows_come_back_as_written(tmp_path: Path) -> None:
    path = write_results("controls", [ROW], tmp_path)
    assert json.loads(path.read_text()) == [ROW]
    assert read_results(tmp_path) == {"controls": [ROW]}
    assert [entry.name for entry in tmp_path.iterdir()] == ["controls.json"], "no temporary file is left"


def test_date_and_machine_are_filled_in(tmp_path: Path) -> None:
    short = {key: value for key, value in ROW.items() if key not in {"date", "machine"}}
    [row] = json.loads(write_results("controls", [short], tmp_path).read_text())
    assert list(row) == list(FIELDS)
    assert row["date"].startswith("20")
    assert "cores" in row["machine"]


@pytest.mark.parametrize(
    "change",
    [
        {"mean": float("nan")},
        {"mean": "0.1"},
        {"mean": True},
        {"std": 0.1},
        {"std": None, "seeds": [0, 1]},
        {"std": -1.0, "seeds": [0, 1]},
        {"seeds": 3},
        {"seeds": []},
        {"method": ""},
        {"extra": 1},
    ],
)
def test_wrong_rows_are_refused_and_nothing_is_written(tmp_path: Path, change: dict) -> None:
    with pytest.raises(ValueError, match="row 1"):
        write_results("controls", [ROW, ROW | change], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_all_problems_are_reported_at_once() -> None:
    assert len(row_problems({})) == len(FIELDS)


def test_the_page_shows_every_figure_and_command() -> None:
    spread = ROW | {"method": "joint | model", "mean": 0.1234, "std": 0.0056, "seeds": [0, 1, 2]}
    page = render({"controls": [ROW, spread]})
    assert "| video | popularity | 0.0178 | 0 |" in page
    assert "| video | joint \\| model | 0.1234 ± 0.0056 | 0 1 2 |" in page
    assert "`python -m benchmarks.quality.controls` (2026-11-22, test)" in page


def test_results_on_file_are_valid_and_the_page_is_up_to_date() -> None:
    results = read_results()
    problems = [f"{name}: {p}" for name, rows in results.items() for row in rows for p in row_problems(row)]
    assert problems == []
    assert PAGE.read_text(encoding="utf-8") == render(results), "run python -m benchmarks.render"
    assert RESULTS.parent == PAGE.parent


def test_figures_of_seeds_become_mean_and_spread() -> None:
    figures = OverSeeds("python -m benchmarks.quality.suite")
    for seed, value in ((1, 0.3), (0, 0.1)):
        figures.add(("p", "video", "star", "auc"), seed, value)
    figures.add(("p", "video", "none", "auc"), 0, 0.2)
    star, none = figures.rows()
    assert (star["mean"], star["std"], star["seeds"]) == (pytest.approx(0.2), pytest.approx(0.02**0.5), [0, 1])
    assert (none["mean"], none["std"], none["seeds"]) == (0.2, None, [0])
    assert all(not row_problems({**row, "date": "2026-11-22", "machine": "test"}) for row in (star, none))


def test_a_protocol_does_not_say_where_a_machine_keeps_its_split() -> None:
    row = {
        "protocol": "given (seed=0, path=/a/b/rows.parquet, row_column=row)",
        "view": "all",
        "population": "warm",
    }
    assert protocol_of(row) == "given (seed=0, path=rows.parquet, row_column=row); view all, warm"


def test_rows_of_other_methods_stay_where_some_are_made_again(tmp_path: Path) -> None:
    write_results("part", [ROW, ROW | {"method": "other"}, ROW | {"metric": "gone@10"}], tmp_path)
    anew = [ROW | {"mean": 0.5}, ROW | {"method": "third"}]
    rows = json.loads(update_results("part", anew, tmp_path).read_text())
    assert [(row["method"], row["mean"]) for row in rows] == [
        (ROW["method"], 0.5),
        ("other", ROW["mean"]),
        ("third", ROW["mean"]),
    ]
    assert {row["metric"] for row in rows} == {ROW["metric"]}
    assert len(json.loads(update_results("whole", anew, tmp_path).read_text())) == 2
