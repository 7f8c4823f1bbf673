"""Result tables in the terminal: one per scenario, methods by metrics, the best of each column marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from polyscene.report.few_shot import shot_curves, shot_table
from polyscene.report.schema import read_metrics
from polyscene.report.summary import Block, blocks, method_title, routing_statement, seed_statement, verdict
from polyscene.report.units import duration, figure, memory

NAME_WIDTH, SECONDS_WIDTH, COLUMN_WIDTH = 23, 9, 12
MARK, NO_MARK = " *", "\N{NO-BREAK SPACE}" * 2  # as wide as the mark, so that the digits stand below each other
LEGEND = "warm: items that training saw; cold: items that it never saw; * best of a column."


def render_terminal(run: Path, console: Console) -> None:
    """Prints what a run found: a table per scenario, the seeds behind it, seconds and memory.

    A narrow terminal shows fewer metrics per block, and blocks below each other; report.html has them all.

    Raises:
        CheckpointError: if ``run/metrics.json`` is missing or damaged.
    """
    metrics = read_metrics(run)
    all_blocks = blocks(metrics["results"])
    for scenario in dict.fromkeys(block.scenario for block in all_blocks):
        own = [block for block in all_blocks if block.scenario == scenario]
        seconds = metrics.get("method_seconds", {}).get(scenario, {})
        for table in _tables(scenario, own, seconds, console.width):
            console.print(table)
        for block in own:
            if found := verdict(block):
                console.print(Text(f"{block.short_title}: {found}"), soft_wrap=True)
            if lost := routing_statement(block):
                console.print(Text(f"{block.short_title}, {lost}"), soft_wrap=True)
        console.print()
    for curve in shot_curves(metrics.get("few_shot", [])):
        console.print(shot_table(curve))
        for line in curve.verdicts():
            console.print(Text(line), soft_wrap=True)
        console.print()
    for scenario, reason in metrics.get("skipped", {}).items():
        console.print(Text(f"{scenario} was left out: {reason}", style="yellow"), soft_wrap=True)
    if all_blocks:
        console.print(Text(f"{LEGEND} {seed_statement(metrics['results'])}"), soft_wrap=True)
    console.print(Text(_cost(metrics)), soft_wrap=True)


def _tables(scenario: str, of_scenario: list[Block], seconds: Mapping[str, float], width: int) -> Iterator[Table]:
    """One table, or where the first metric of every block is too wide for one, several below each other."""
    room = max(1, (width - NAME_WIDTH - (SECONDS_WIDTH if seconds else 0)) // COLUMN_WIDTH)
    columns = _columns(of_scenario, room)
    methods = list(dict.fromkeys(method for block in of_scenario for method in block.methods))
    parts = [columns[start : start + room] for start in range(0, len(columns), room)]
    for place, part in enumerate(parts):
        shown = seconds if place == len(parts) - 1 else {}
        yield _table(scenario if place == 0 else "", part, methods, shown)


def _table(
    title: str, columns: Sequence[tuple[Block, str]], methods: list[str], seconds: Mapping[str, float]
) -> Table:
    table = Table(
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("\nmethod", no_wrap=True)
    for block, metric in columns:
        table.add_column(Text(f"{block.short_title}\n{metric}"), justify="right", min_width=len(metric))
    if seconds:
        table.add_column("\nseconds", justify="right")
    for method in methods:
        cells = [_cell(block, method, metric) for block, metric in columns]
        if seconds:
            cells.append(Text(f"{seconds[method]:.1f}" if method in seconds else ""))
        table.add_row(Text(method_title(method)), *cells)
    return table


def _columns(of_scenario: list[Block], room: int) -> list[tuple[Block, str]]:
    """As many metrics as there is room for: the first of every block in any case, then the second of each, ..."""
    ranked = sorted(
        (rank, position, metric)
        for position, block in enumerate(of_scenario)
        for rank, metric in enumerate(block.metrics)
    )
    kept = {(position, metric) for _, position, metric in ranked[: max(room, len(of_scenario))]}
    return [
        (block, metric)
        for position, block in enumerate(of_scenario)
        for metric in block.metrics
        if (position, metric) in kept
    ]


def _cell(block: Block, method: str, metric: str) -> Text:
    cell = block.cells.get((method, metric))
    if cell is None:
        return Text("-  ", style="dim")
    best = method in block.best(metric)
    return Text(
        f"{figure(cell.value)} *" if best else f"{figure(cell.value)}  ", style="bold green" if best else ""
    )


def _cost(metrics: Mapping[str, Any]) -> str:
    stages = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in metrics["seconds"].items())
    texts = metrics.get("backbone_texts")
    encoded = "" if texts is None else f" Texts through the backbone: {texts:,}."
    return f"Time: {stages or 'not measured'}. Peak memory: {memory(metrics['memory_mb'])}.{encoded}"
