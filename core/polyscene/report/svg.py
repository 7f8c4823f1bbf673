"""Two charts as inline SVG: bars with error bars, and a line. Colors and fonts come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polyscene.report.history import Curve
from polyscene.report.units import figure

BAR_HEIGHT, BAR_GAP, LABEL_WIDTH, VALUE_WIDTH, CHART_WIDTH = 16, 10, 150, 122, 620
CURVE_WIDTH, CURVE_HEIGHT, MARGIN = 330, 190, 46


@dataclass(frozen=True)
class Bar:
    """One bar: its label, length, error to both sides (if known) and whether it is the run's own model."""

    label: str
    value: float
    error: float | None = None
    own: bool = False


def bar_chart(title: str, bars: Sequence[Bar]) -> Markup:
    """Horizontal bars from zero, in the given order, each with its value and error written beside it."""
    low = min(0.0, *(bar.value - (bar.error or 0) for bar in bars))
    high = max(0.0, *(bar.value + (bar.error or 0) for bar in bars))
    high = high if high > low else 1.0
    room = CHART_WIDTH - LABEL_WIDTH - VALUE_WIDTH

    def place(value: float) -> float:
        return round(LABEL_WIDTH + room * (value - low) / (high - low), 2)

    height = len(bars) * (BAR_HEIGHT + BAR_GAP) + BAR_GAP
    parts = []
    for i, bar in enumerate(bars):
        top = BAR_GAP + i * (BAR_HEIGHT + BAR_GAP)
        middle = top + BAR_HEIGHT / 2
        start, end = sorted((place(0), place(bar.value)))
        parts.append(
            Markup('<text class="label" x="{}" y="{}">{}</text>').format(LABEL_WIDTH - 10, middle + 4, bar.label)
            + Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"/>').format(
                "bar own" if bar.own else "bar", start, top, max(round(end - start, 2), 1), BAR_HEIGHT
            )
        )
        written = figure(bar.value)
        if bar.error is not None:
            written += f" ± {figure(bar.error)}"
            left, right = place(bar.value - bar.error), place(bar.value + bar.error)
            parts.append(
                Markup('<path class="error" d="M{0} {2}H{1}M{0} {3}v8M{1} {3}v8"/>').format(
                    left, right, middle, middle - 4
                )
            )
        parts.append(
            Markup('<text class="value" x="{}" y="{}">{}</text>').format(CHART_WIDTH, middle + 4, written)
        )
    parts.append(Markup('<path class="axis" d="M{0} 4V{1}"/>').format(place(0), height - 4))
    description = "; ".join(f"{bar.label} {figure(bar.value)}" for bar in bars)
    return svg(title, description, CHART_WIDTH, height, parts)


def line_chart(curve: Curve) -> Markup:
    """One curve over training steps, with a few round ticks on both axes; the last point is marked."""
    steps, values = zip(*curve.points, strict=True)
    x_ticks, y_ticks = ticks(min(steps), max(steps), 4), ticks(min(values), max(values), 4)
    left, right = min(steps), max(steps)
    bottom, top = min(values[0], *values, y_ticks[0]), max(values[0], *values, y_ticks[-1])

    def x(step: float) -> float:
        return round(MARGIN + (CURVE_WIDTH - MARGIN - 14) * (step - left) / ((right - left) or 1), 2)

    def y(value: float) -> float:
        return round(CURVE_HEIGHT - 34 - (CURVE_HEIGHT - 48) * (value - bottom) / ((top - bottom) or 1), 2)

    parts = [
        Markup('<path class="grid" d="M{} {}H{}"/><text class="tick y" x="{}" y="{}">{}</text>').format(
            MARGIN, y(tick), CURVE_WIDTH - 14, MARGIN - 6, y(tick) + 4, f"{tick:g}"
        )
        for tick in y_ticks
    ]
    parts += [
        Markup('<text class="tick x" x="{}" y="{}">{}</text>').format(x(tick), CURVE_HEIGHT - 18, f"{tick:g}")
        for tick in x_ticks
        if left <= tick <= right
    ]
    path = "M" + "L".join(f"{x(step)} {y(value)}" for step, value in curve.points)
    parts.append(Markup('<path class="line" d="{}"/>').format(path))
    parts.append(Markup('<circle class="dot" cx="{}" cy="{}" r="3.5"/>').format(x(steps[-1]), y(values[-1])))
    parts.append(
        Markup('<text class="tick x" x="{}" y="{}">step</text>').format(
            (MARGIN + CURVE_WIDTH - 14) / 2, CURVE_HEIGHT - 3
        )
    )
    description = (
        f"from {figure(values[0])} at step {steps[0]:g} to {figure(values[-1])} at step {steps[-1]:g}, "
        f"lowest {figure(min(values))}, highest {figure(max(values))}"
    )
    return svg(curve.metric, description, CURVE_WIDTH, CURVE_HEIGHT, parts)


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """About ``wanted`` round numbers (1, 2 or 5 times a power of ten) that enclose ``low`` and ``high``."""
    if high <= low:
        return [low]
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def svg(title: str, description: str, width: float, height: float, parts: Sequence[Markup]) -> Markup:
    """A drawing of a size, with a title and a description for those who do not see it."""
    return Markup(
        '<svg role="img" width="{0}" height="{1}" viewBox="0 0 {0} {1}" aria-label="{2}: {3}">'
        "<title>{2}</title>{4}</svg>"
    ).format(width, height, title, description, Markup("").join(parts))
