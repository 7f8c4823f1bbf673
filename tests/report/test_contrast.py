"""Texts stand out from what is behind them, in light and in dark, as WCAG 2.2 asks for (4.5 to 1)."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from polyscene.report.charts.heat import STRONGEST

STYLE = resources.files("polyscene.report").joinpath("page", "page.css").read_text("utf-8")
LEAST, LEAST_OF_LINES = 4.5, 3.0
Color = tuple[float, float, float]


def colors(scheme: str) -> dict[str, Color]:
    """The variables of the page: the first block is light, the second one dark."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2]
    found = re.findall(r"--([a-z0-9-]+): #([0-9a-f]{6});", light + (dark if scheme == "dark" else ""))
    return {name: (int(h[:2], 16), int(h[2:4], 16), int(h[4:], 16)) for name, h in found}


def contrast(one: Color, other: Color) -> float:
    """The ratio of relative luminances, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    parts = [part / 255 for part in color]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read(scheme: str) -> None:
    own = colors(scheme)
    for behind in ("paper", "card", "good", "warn-card"):
        for text in ("ink", "soft", "own"):
            assert contrast(own[text], own[behind]) >= LEAST, (text, behind)
    assert contrast(own["warn"], own["warn-card"]) >= LEAST


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_on_the_darkest_shade_can_be_read(scheme: str) -> None:
    own = colors(scheme)
    for shade in ("own", "warn"):
        red, green, blue = (
            STRONGEST * over + (1 - STRONGEST) * under for over, under in zip(own[shade], own["card"], strict=True)
        )
        assert contrast(own["ink"], (red, green, blue)) >= LEAST


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_can_be_seen(scheme: str) -> None:
    own = colors(scheme)
    series = [name for name in own if name.startswith("series-")]
    assert len(series) == 8
    for name in (*series, "own"):
        assert contrast(own[name], own["card"]) >= LEAST_OF_LINES, name
