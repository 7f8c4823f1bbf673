"""Charts: lengths are proportional to values, curves keep their ends, ticks are round and enclose the data."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.report.history import MAX_POINTS, Curve, read_curves
from polyscene.report.svg import Bar, bar_chart, line_chart, ticks
from polyscene.report.units import duration, figure, memory


def test_bar_lengths_are_proportional_and_start_at_zero() -> None:
    svg = bar_chart("t", [Bar("a", 0.2), Bar("b", 0.1, 0.01, own=True), Bar("c", 0.05)])
    widths = [float(width) for width in re.findall(r'<rect[^>]* width="([0-9.]+)"', svg)]
    assert widths[0] / widths[1] == pytest.approx(2, rel=1e-3)
    assert widths[0] / widths[2] == pytest.approx(4, rel=1e-3)
    assert len(set(re.findall(r'<rect class="[a-z ]+" x="([0-9.]+)"', svg))) == 1


def test_bars_below_zero_fill_the_chart_as_those_above_do() -> None:
    widths = []
    for sign in (1, -1):
        svg = bar_chart("t", [Bar("a", sign * 0.006, 0.001), Bar("b", sign * 0.003)])
        widths.append([float(width) for width in re.findall(r'<rect[^>]* width="([0-9.]+)"', svg)])
    assert widths[1] == pytest.approx(widths[0], rel=1e-3)


@pytest.mark.parametrize("values", [[0.0, 0.0], [-0.5, 0.5], [-1.0, -2.0], [1e-9, 1e9]])
def test_bars_of_any_sign_and_size_stay_inside(values: list[float]) -> None:
    svg = bar_chart("t", [Bar("x", value, 0.1) for value in values])
    numbers = [
        (float(x), float(w)) for x, w in re.findall(r'<rect[^>]*? x="([0-9.]+)"[^>]* width="([0-9.]+)"', svg)
    ]
    assert len(numbers) == len(values)
    assert all(x >= 0 and x + width <= 620 for x, width in numbers)


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-6, 1e6),
    st.integers(2, 8),
)
def test_ticks_enclose_and_are_few(low: float, width: float, wanted: int) -> None:
    found = ticks(low, low + width, wanted)
    slack = 1e-6 * (abs(low) + width)
    assert found[0] <= low + slack
    assert found[-1] >= low + width - slack
    assert 2 <= len(found) <= wanted + 3


def test_ticks_are_round() -> None:
    assert ticks(0.0, 0.2, 4) == [0.0, 0.05, 0.1, 0.15, 0.2]
    assert ticks(3.0, 3.0, 4) == [3.0]


def test_a_curve_of_one_point_and_a_flat_one_are_drawn() -> None:
    for points in [((5.0, 1.0),), ((0.0, 1.0), (1.0, 1.0))]:
        assert "NaN" not in line_chart(Curve("video", "loss", points)).replace("nan", "NaN")


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
