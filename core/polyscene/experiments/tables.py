"""Reports of experiments in the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from polyscene.experiments.offpolicy import Estimate
from polyscene.experiments.ratio import LEVEL
from polyscene.experiments.report import Guardrail, Report
from polyscene.experiments.sequences import Interval

_STYLES = {"better": "bold green", "worse": "bold red", "keep looking": "", "control": "dim"}


def print_report(
    name: str, report: Report, guardrails: Sequence[Guardrail], console: Console | None = None
) -> None:
    """A line for each arm; below, what the intervals and the checks are."""
    console = console or Console(highlight=False)
    table = Table(title=Text(f"experiment {name}"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("arm", overflow="fold")
    for title in ("users", "counted", "lists"):
        table.add_column(title, justify="right")
    table.add_column("rate of")
    table.add_column("per list", justify="right", no_wrap=True)
    table.add_column("against control", justify="right")
    table.add_column("decision")
    for arm in report.arms:
        for kind, rate in arm.rates.items():
            counts = (f"{count:,}" for count in (arm.users, arm.counted, arm.lists))
            named = [arm.arm, *counts] if kind == report.reward else [""] * 4
            decision = Text(arm.decision, style=_STYLES.get(arm.decision, "bold yellow"))
            cells = [*named, kind, figure(rate), interval(arm.changes.get(kind))]
            table.add_row(*map(Text, cells), decision if kind == report.reward else Text())
    console.print(table)
    lines = [
        f"All intervals hold at all looks with probability {1 - report.level:g}.",
        "Users are the unit; each counts when the window is over.",
        f"Sample ratio: p = {report.ratio:.3g}, invalid below {LEVEL:g} at any look.",
    ]
    if report.moved:
        lines.append(
            f"{report.moved:,} users were seen in several arms and are left out; above 1 % nothing is valid."
        )
    lines += [f"Guardrail: {one.kind} may not get worse by more than {one.by:g}." for one in guardrails]
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def print_estimates(
    name: str, found: Sequence[Estimate], *, lists: int, targets: int, level: float, console: Console | None = None
) -> None:
    """A line for each method; below, what is assumed."""
    console = console or Console(highlight=False)
    table = Table(title=Text(f"rewards per list of {name}"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("method", "estimate", f"{1 - level:g} interval", "effective items", "clipped"):
        table.add_column(title, justify="left" if title == "method" else "right", no_wrap=True)
    for one in found:
        bounds = f"{figure(one.low)} to {figure(one.high)}"
        table.add_row(one.method, figure(one.value), bounds, f"{one.size:,.0f}", f"{one.clipped:.1%}")
    console.print(table)
    for line in (
        f"{lists:,} lists; {targets - lists:,} more that were asked for are not in the log.",
        "What an item brings is taken to depend on its place but not on the other items.",
        "Users are the unit; intervals are for one look.",
    ):
        console.print(Text(line), soft_wrap=True)


def interval(change: Interval | None) -> str:
    """A change with its bounds; nothing for the control, which has none."""
    if change is None:
        return ""
    if not math.isfinite(change.high):
        return f"{_signed(change.estimate)}, too few"
    return f"{_signed(change.estimate)}\n({_signed(change.low)} to {_signed(change.high)})"


def figure(value: float) -> str:
    """A rate; nothing where nobody was counted."""
    return "" if math.isnan(value) else f"{value:.4f}"


def _signed(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.4f}"
