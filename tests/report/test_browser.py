"""Pages in a real browser: nothing is refused or asked for, charts are to scale, tables sort, dark is dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polyscene.report import write_html, write_metrics, write_transfer_page
from polyscene.report.charts import parallel
from tests.browser import DESKTOP, PHONE, Browser
from tests.report.test_charts import RUNS
from tests.report.test_few_shot import few_shot
from tests.report.test_transfer_page import run as transfer_run  # noqa: F401  (a fixture)

CHARTS = "figure.chart .plot svg"
DRAWN = (
    f"return [...document.querySelectorAll('{CHARTS}')].map((svg) => svg.querySelectorAll('path, text').length)"
)
WIDTHS = """
return [...arguments[0].querySelectorAll('.layer_0_marks path')].map((path) => path.getBBox().width)
"""
OPACITY = """
return [...arguments[0].querySelectorAll('.mark-line path')].map((line) => Number(getComputedStyle(line).opacity))
"""
CHART = "return document.querySelector(`figure[aria-label='${arguments[0]}']`)"


@pytest.fixture
def page(run: Path, metrics: dict[str, Any]) -> Path:
    """The page of a run with everything that one can show."""
    write_metrics(run, {**metrics, "few_shot": few_shot()})
    return write_html(run)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_run_is_drawn_and_nothing_is_refused_or_asked_for(
    page: Path, browser: Browser, size: tuple[int, int]
) -> None:
    browser.open(page, size=size, dark=size == PHONE)
    assert browser.complaints() == []
    assert browser.requests() == []
    assert browser.run("return document.querySelectorAll('figure.chart').length") == len(browser.run(DRAWN)) >= 8
    assert min(browser.run(DRAWN)) > 3
    assert browser.run("return document.documentElement.scrollWidth") <= size[0], "no sideways scrolling"


def test_bars_are_to_scale(page: Path, browser: Browser) -> None:
    browser.open(page)
    chart = browser.run(CHART, "video, warm items, ndcg@10")
    joint, single, popularity = browser.run(WIDTHS, chart)
    assert joint / popularity == pytest.approx(0.1234567 / 0.0178, rel=0.02)
    assert joint / single == pytest.approx(0.1234567 / 0.1111111, rel=0.02)


def test_a_click_sorts_and_another_turns_the_order(page: Path, browser: Browser) -> None:
    browser.open(page)
    [table] = browser.run(
        "return [...document.querySelectorAll('table')]"
        ".filter((table) => table.caption?.textContent.includes('full ranking')).slice(0, 1)"
    )
    column = "return [...arguments[0].tBodies[0].rows].map((row) => row.cells[1].dataset.value)"
    click = "arguments[0].tHead.querySelectorAll('button')[1].click()"
    order = "return arguments[0].tHead.querySelectorAll('th')[1].ariaSort"
    assert browser.run(column, table) == ["0.1234567", "0.1111111", "0.0178"]
    browser.run(click, table)
    assert (browser.run(order, table), browser.run(column, table)[0]) == ("descending", "0.1234567")
    browser.run(click, table)
    assert (browser.run(order, table), browser.run(column, table)[0]) == ("ascending", "0.0178")


def test_colors_follow_the_reader(page: Path, browser: Browser) -> None:
    looks = """
    const bar = document.querySelector('figure.chart .layer_0_marks path');
    const label = document.querySelector('figure.chart .mark-text text');
    return [document.body, bar, label].map((one) => {
      const style = getComputedStyle(one);
      return one === document.body ? style.backgroundColor : style.fill;
    });
    """
    browser.open(page)
    light = browser.run(looks)
    browser.open(page, dark=True)
    dark = browser.run(looks)
    assert all(one != other for one, other in zip(light, dark, strict=True))
    for background, _, text in (light, dark):
        assert abs(_brightness(background) - _brightness(text)) > 150


def test_on_paper_it_is_light_and_nothing_is_folded(page: Path, browser: Browser) -> None:
    browser.open(page, dark=True)
    media = {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("return document.querySelectorAll('details:not([open])').length") == 0


def test_names_from_data_do_nothing(run: Path, metrics: dict[str, Any], browser: Browser, hostile: str) -> None:
    for row in metrics["results"]:
        row.update(scenario=hostile, method=f"{hostile} {row['method']}", metric=hostile)
    metrics["examples"][0]["past"] = [hostile]
    write_metrics(run, {**metrics, "by_count": []})
    browser.open(write_html(run))
    assert browser.complaints() == []
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert "{{ 7 * 7 }}" in browser.run("return document.querySelector('figure.chart').textContent")


def test_a_transfer_run_is_drawn(transfer_run: Path, browser: Browser) -> None:  # noqa: F811
    browser.open(write_transfer_page(transfer_run))
    assert browser.complaints() == []
    chart = browser.run(CHART, "Transfer matrix: trained on (down), tested on (across)")
    texts = browser.run(
        "return [...arguments[0].querySelectorAll('.mark-text text')].map((t) => t.textContent)", chart
    )
    assert "0.4050" in texts
    assert len(browser.run(WIDTHS, chart)) == 10


def test_pointing_at_a_run_singles_it_out(page: Path, browser: Browser) -> None:
    chart = parallel("runs", RUNS, axes=["adapter", "steps", "ndcg@10"], color="steps")
    page.write_text(page.read_text(encoding="utf-8").replace("</main>", f"{chart}</main>"), encoding="utf-8")
    browser.open(page)
    assert browser.complaints() == []
    drawn = browser.run(CHART, "runs")
    before = browser.run(OPACITY, drawn)
    assert sorted(before) == pytest.approx([0.25, 0.625, 1.0]), "stronger from the lowest to the highest"
    line = browser.run("return arguments[0].querySelector('.mark-line path')", drawn)
    browser.run("arguments[0].dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))", line)
    assert sorted(browser.run(OPACITY, drawn)) == pytest.approx([0.1, 0.1, 1.0])


def test_a_click_in_a_legend_singles_a_line_out(page: Path, browser: Browser) -> None:
    browser.open(page)
    chart = browser.run(CHART, "video by count")
    assert browser.run(OPACITY, chart) == [1, 1]
    entry = browser.run("return arguments[0].querySelector('.role-legend-label text')", chart)
    browser.run("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", entry)
    assert sorted(browser.run(OPACITY, chart)) == pytest.approx([1 / 6, 1], rel=1e-3)


def test_a_chart_that_cannot_be_drawn_says_so(page: Path, browser: Browser) -> None:
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace('"mark":"rule"', '"mark":"ruler"', 1).replace('"height":240', '"height":', 1))
    browser.open(page)
    assert any("JSON" in line for line in browser.complaints())
    assert "could not be drawn" in browser.run("return document.querySelector('main').textContent")


def _brightness(color: str) -> float:
    return sum(float(part) for part in color[color.index("(") + 1 : -1].split(",")[:3]) / 3
