"""The transfer matrix and the negative-transfer report in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from polyscene.report.schema import read_transfer
from polyscene.report.transfer_view import LEGEND, MARKS, TransferView, signed, spread
from polyscene.report.units import figure

NAME_WIDTH, SPREAD_WIDTH = 22, 22
STYLES = {"gain": "bold green", "loss": "bold red", "": ""}


def print_transfer(run: Path, console: Console) -> None:
    """Prints what a transfer run has found so far: the matrix, and what joint training costs each scenario.

    A narrow terminal shows no spread in the matrix; report.html has it.

    Raises:
        CheckpointError: if ``run/transfer.json`` is missing or damaged.
    """
    view = TransferView(read_transfer(run))
    if view.matrix.columns:
        console.print(_matrix(view, wide=console.width >= NAME_WIDTH + SPREAD_WIDTH * len(view.matrix.columns)))
        console.print(Text(LEGEND), soft_wrap=True)
        console.print()
    if view.found["negative_transfer"]:
        console.print(_negative(view))
        for sentence in view.sentences():
            console.print(Text(sentence), soft_wrap=True)
        best = view.found["best_for_all"]["chosen"]
        console.print(
            Text(f"Best joint model for all on validation: {_name(view, best)}."),
            soft_wrap=True,
        )
    for name, reason in {**view.found["failed"], **view.found["skipped"]}.items():
        console.print(Text(f"{name} was left out: {reason}", style="yellow"), soft_wrap=True)
    console.print(Text(view.progress()), soft_wrap=True)


def _matrix(view: TransferView, *, wide: bool) -> Table:
    table = _table("Transfer: trained on (down), tested on (across)")
    table.add_column("\ntrained on", no_wrap=True)
    for column in view.matrix.columns:
        table.add_column(Text(f"{column['scenario']}\n{column['metric']}"), justify="right", no_wrap=True)
    for row in view.rows:
        cells = []
        for column in view.matrix.columns:
            cell = view.matrix.cells.get((row["label"], column["scenario"]))
            if cell is None:
                cells.append(Text("-  ", style="dim"))
                continue
            learned = row["kind"] == "single" and column["scenario"] in row["trained"]
            mark = MARKS[cell["mark"]] or "\N{NO-BREAK SPACE}"
            cells.append(
                Text(
                    f"{figure(cell['mean'])}{spread(cell) if wide else ''} {mark}",
                    style="bold" if learned else STYLES[cell["mark"]],
                )
            )
        table.add_row(Text(view.title(row["label"])), *cells)
    return table


def _negative(view: TransferView) -> Table:
    table = _table("Negative transfer: joint minus single")
    for name in ("scenario", "single", "joint", "joint - single", "verdict", "best on validation", "its - single"):
        table.add_column(name, justify="right" if name in ("single", "joint") or "-" in name else "left")
    for entry in view.found["negative_transfer"]:
        chosen = next(one for one in entry["tried"] if one["row"] == entry["chosen"])
        verdict = entry["difference"]["verdict"]
        table.add_row(
            Text(entry["scenario"]),
            figure(entry["single"]["mean"]),
            figure(entry["joint"]["mean"]),
            signed(entry["difference"]),
            Text(
                verdict, style={"clearly better": STYLES["gain"], "clearly worse": STYLES["loss"]}.get(verdict, "")
            ),
            Text(_name(view, entry["chosen"])),
            signed(chosen["difference"]),
        )
    return table


def _name(view: TransferView, label: str) -> str:
    return view.own_title() if label == "joint" else view.title(label)


def _table(title: str) -> Table:
    return Table(title=Text(title, style="bold"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
