"""Charts: specs hold every value that they were given, hostile texts stay texts, curves keep their ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import vl_convert
from markupsafe import Markup

from polyscene.report.charts import Bar, Cell, Line, Point, bars, heat, lines, parallel
from polyscene.report.charts.heat import STRONGEST
from polyscene.report.history import MAX_POINTS, Curve, read_curves
from polyscene.report.units import duration, figure, memory
from tests.report.drawn import specs

RUNS = {
    "one": {"adapter": "gate", "steps": 100, "ndcg@10": 0.1},
    "two": {"adapter": "star", "steps": 300, "ndcg@10": 0.3},
    "three": {"adapter": "gate", "steps": 200},
}


def charts(text: str = "joint") -> dict[str, Markup]:
    """One chart of each kind, with a text from outside wherever one may stand."""
    line = Line(text, [Point(0, 0.1, 0.01), Point(4, 0.2)], own=True)
    runs = {f"{text} {name}": {**values, "adapter": text} for name, values in RUNS.items()}
    return {
        "bars": bars(text, [Bar(text, 0.2, 0.01, own=True), Bar("b", -0.1)], axis=text, caption=text),
        "lines": lines(text, [line, Line("b", [Point(0, 0.3)])], x=text, y=text, even=True, caption=text),
        "curve": lines(text, [Line(text, [Point(step, step**0.5) for step in range(40)])]),
        "heat": heat(text, [Cell(text, "b", text, text, -1.0)], rows=[text], columns=["b"], caption=text),
        "parallel": parallel(text, runs, axes=["adapter", "steps", "ndcg@10"], color="ndcg@10", caption=text),
    }


@pytest.mark.parametrize("kind", charts())
def test_vega_lite_knows_every_spec(kind: str) -> None:
    [spec] = specs(charts()[kind]).values()
    drawn = vl_convert.vegalite_to_svg({**spec, "width": 400})
    assert "NaN" not in drawn
    assert drawn.count("<path") > 1


@pytest.mark.parametrize("kind", charts())
def test_texts_from_data_cannot_leave_their_place(kind: str, hostile: str) -> None:
    text = str(charts(hostile)[kind])
    [spec] = specs(text).values()
    assert hostile in json.dumps(spec, ensure_ascii=False).replace('\\"', '"')
    assert text.count("<script") == text.count("</script>") == 1
    assert "<img" not in text


def test_bars_hold_values_spreads_and_words_in_order() -> None:
    values = [Bar("a", 0.25, 0.05, own=True), Bar("b", -0.5), Bar("c", 0.0)]
    [spec] = specs(bars("t", values)).values()
    rows = spec["data"]["values"]
    assert [(row["label"], row["value"], row["low"], row["high"], row["own"]) for row in rows] == [
        ("a", 0.25, 0.2, 0.3, True),
        ("b", -0.5, -0.5, -0.5, False),
        ("c", 0.0, 0.0, 0.0, False),
    ]
    assert [row["written"] for row in rows] == ["0.2500 ± 0.0500", "-0.5000", "0.0000"]
    assert spec["description"] == "t: a 0.2500 ± 0.0500; b -0.5000; c 0.0000"


def test_lines_have_a_color_and_a_dash_each_and_the_own_one_stands_out() -> None:
    drawn = [Line(str(number), [Point(0, number)], own=number == 3) for number in range(6)]
    [spec] = specs(lines("t", drawn)).values()
    color = spec["encoding"]["color"]["scale"]
    dash = spec["layer"][-1]["encoding"]["strokeDash"]["scale"]
    assert color["domain"] == dash["domain"] == [str(number) for number in range(6)]
    assert (color["range"][3], dash["range"][3]) == ("var(--own)", [1, 0])
    assert len({(one, *two) for one, two in zip(color["range"], dash["range"], strict=True)}) == 6


def test_a_heat_map_shades_by_size_and_keeps_figures_readable() -> None:
    cells = [Cell("a", "b", "1", shade=shade) for shade in (-2.0, -0.5, 0.0, 0.5, 1.0)]
    [spec] = specs(heat("t", cells, rows=["a"], columns=["b"])).values()
    found = [(row["gain"], row["shade"]) for row in spec["data"]["values"]]
    half = STRONGEST / 2
    assert found == [(False, STRONGEST), (False, half), (True, 0.0), (True, half), (True, STRONGEST)]


def test_parallel_axes_run_from_the_lowest_to_the_highest_and_words_keep_their_order() -> None:
    [spec] = specs(parallel("t", RUNS, axes=["adapter", "steps", "ndcg@10"], color="steps")).values()
    [_, drawn, *_] = spec["layer"]
    place = {(row["run"], row["axis"]): row["place"] for row in drawn["data"]["values"]}
    assert [place[name, "steps"] for name in RUNS] == [0.0, 1.0, 0.5]
    assert [place[name, "adapter"] for name in RUNS] == [0.0, 1.0, 0.0]
    beside = {(mark["axis"], mark["written"]) for mark in spec["layer"][-1]["data"]["values"]}
    assert beside >= {("steps", "100"), ("steps", "300"), ("adapter", "star"), ("ndcg@10", "0.1000")}
    assert ("three", "ndcg@10") not in place, "a run without a value has a gap"
    assert {row["run"]: row["strength"] for row in drawn["data"]["values"]} == {
        "one": 0.0,
        "two": 1.0,
        "three": 0.5,
    }


def test_a_curve_of_one_point_and_a_flat_one_and_none_are_drawn() -> None:
    for points in ([Point(5.0, 1.0)], [Point(0.0, 1.0), Point(1.0, 1.0)], []):
        [spec] = specs(lines("t", [Line("a", points)])).values()
        assert "NaN" not in vl_convert.vegalite_to_svg({**spec, "width": 400})


def test_a_number_that_is_none_leaves_a_gap() -> None:
    [spec] = specs(lines("t", [Line("a", [Point(0, 1.0), Point(1, float("nan")), Point(2, 2.0)])])).values()
    assert [row["y"] for row in spec["data"]["values"]] == [1.0, None, 2.0]


def test_long_curves_are_averaged(tmp_path: Path) -> None:
    lines = [json.dumps({"step": step, "loss": float(step)}) for step in range(1000)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    [curve] = read_curves(tmp_path)
    assert len(curve.points) <= MAX_POINTS
    assert curve.averaged == 7  # ceil(1000 / 150)
    assert curve.points[0] == (3.0, 3.0)  # mean of 0..6


def test_a_repeated_step_counts_once_and_broken_lines_not_at_all(tmp_path: Path) -> None:
    lines = [
        '{"step": 1, "loss": 2.0}',
        '{"step": 1, "loss": 3.0}',
        '{"step": 2, "loss": NaN}',
        "[1]",
        '{"step": ',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert read_curves(tmp_path) == [Curve("", "loss", ((1, 3.0),))]


def test_units() -> None:
    assert [duration(s) for s in (0.42, 12.34, 59.97, 185, 7440)] == [
        "0.42 s",
        "12.3 s",
        "1 min 00 s",
        "3 min 05 s",
        "2 h 04 min",
    ]
    assert [memory(m) for m in (812, 2457.6)] == ["812 MiB", "2.4 GiB"]
    assert [figure(v) for v in (0.12345, 1234.5)] == ["0.1235", "1,234.50"]
