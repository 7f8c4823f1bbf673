"""A comparison in the terminal."""

from __future__ import annotations

from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from polyscene.comparison.export import cost_title, cost_written, known_costs, legend, written
from polyscene.comparison.table import Column, Comparison, Entry
from polyscene.report.units import figure

PADDING = 3
LONGEST_NAME = 44


@dataclass(frozen=True)
class _Shown:
    """A column of the terminal's table: its heading, and a cell for each line."""

    title: str
    cells: list[Text]

    @property
    def width(self) -> int:
        return (
            max(len(line) for text in (self.title, *map(str, self.cells)) for line in text.split("\n")) + PADDING
        )


def print_comparison(comparison: Comparison, console: Console, title: str = "") -> None:
    """The headline of each scenario, their mean, and costs, below each other where a terminal is narrow."""
    entries = [entry for entry in comparison.entries if entry.figures.keys() & set(comparison.headlines)]
    names = [Text(entry.label or "the run", style="" if entry.own else "dim") for entry in entries]
    room = console.width - min(LONGEST_NAME, max((len(name) for name in names), default=0)) - PADDING
    for place, columns in enumerate(_parts(_columns(comparison, entries), room)):
        table = Table(title=(place == 0 and title) or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("", overflow="fold", max_width=LONGEST_NAME)
        for column in columns:
            table.add_column(Text(column.title), justify="right", no_wrap=True)
        for number, name in enumerate(names):
            table.add_row(name, *(column.cells[number] for column in columns))
        console.print(table)
    console.print(Text(legend(comparison)), soft_wrap=True)
    if len(comparison.headlines) < len(comparison.columns):
        console.print(Text("The page has all figures; --filter population=cold, say, shows some of them here."))
    for folder, reason in comparison.unfinished.items():
        line = reason.splitlines()[0] if reason else ""
        console.print(Text(f"left out: {folder}: {line}", style="yellow"), soft_wrap=True)


def _parts(columns: list[_Shown], room: int) -> list[list[_Shown]]:
    """The columns in order, in tables for which there is room; one that is wider still has one of its own."""
    parts: list[list[_Shown]] = [[]]
    for column in columns:
        if parts[-1] and sum(one.width for one in (*parts[-1], column)) > room:
            parts.append([])
        parts[-1].append(column)
    return parts


def _columns(comparison: Comparison, entries: list[Entry]) -> list[_Shown]:
    """What is shown, in order."""
    shown = []
    for column in comparison.headlines:
        title = f"{column.title.removesuffix(column.metric).strip()}\n{column.metric}"
        shown.append(_Shown(title, [_cell(comparison, entry, column) for entry in entries]))
    if comparison.averaged:
        means = [comparison.mean(entry) for entry in entries]
        cells = [Text("" if mean is None else figure(mean)) for mean in means]
        shown.append(_Shown(f"mean\n{comparison.averaged[0].metric}", cells))
    for key in known_costs(comparison):
        cells = [Text(cost_written(entry, key), style="dim") for entry in entries]
        shown.append(_Shown(_two_lines(cost_title(key)), cells))
    return shown


def _two_lines(title: str) -> str:
    words = title.split()
    return " ".join(words[: len(words) // 2]) + "\n" + " ".join(words[len(words) // 2 :])


def _cell(comparison: Comparison, entry: Entry, column: Column) -> Text:
    test = comparison.tests.get((entry.label, column))
    style = "bold" if entry.label in comparison.best(column) else ""
    if test is not None and test.clear:
        style += " green" if column.sign * test.difference > 0 else " red"
    return Text(written(comparison, entry, column), style=style.strip())
