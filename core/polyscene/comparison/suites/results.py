"""What a suite has found so far: a comparison for each group and protocol, in the terminal and as one page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from polyscene.comparison.against import set_against
from polyscene.comparison.gather import compare
from polyscene.comparison.page import Part, write_comparison
from polyscene.comparison.runs import Run
from polyscene.comparison.selection import with_metrics
from polyscene.comparison.suites.config import SuiteConfig
from polyscene.comparison.suites.job import Job
from polyscene.comparison.table import Comparison
from polyscene.comparison.terminal import print_comparison
from polyscene.report.few_shot import ADAPTED, shot_chart, shot_curves, shot_table
from polyscene.report.helps import helps_map, helps_sentences
from polyscene.report.schema import read_metrics, read_transfer


def parts_of(suite: SuiteConfig, jobs: Sequence[Job], folder: Path) -> list[Part]:
    """What the finished jobs come to, in the order of the suite's file."""
    places = dict.fromkeys((job.group, job.protocol) for job in jobs)
    parts = []
    for place in places:
        own = [job for job in jobs if (job.group, job.protocol) == place]
        title = _title(suite, *place)
        commands = {job.command for job in own}
        if "transfer" in commands:
            parts += [_transferred(f"{title}: {job.method}", job, folder) for job in own if job.finished(folder)]
        elif "adapt" in commands:
            rows = list(few_shot_rows([job for job in own if job.command == "adapt"], folder))
            charts = [shot_chart(curve) for curve in shot_curves(rows)]
            parts.append(Part(title, Comparison([], []), charts))
        else:
            parts.append(Part(title, _compared(suite, own, folder)))
    return parts


def few_shot_rows(jobs: Iterable[Job], folder: Path) -> Iterator[dict[str, Any]]:
    """Rows of ``few_shot`` of finished jobs, with the method in the name where it matters.

    Draws of different seeds are different draws. What is trained from scratch and counts know nothing of the
    method, so they are taken from the first one.
    """
    first = ""
    for job in jobs:
        if not job.finished(folder):
            continue
        first = first or job.method
        for row in read_metrics(folder / job.name)["few_shot"]:
            ours = row["method"] in (ADAPTED, "no_adaptation")
            if ours or job.method == first:
                name = row["method"] if job.method == first else f"{row['method']}, {job.method}"
                yield {**row, "method": name, "draw": row["draw"] + 1000 * (job.seed or 0)}


def print_parts(
    suite: SuiteConfig, parts: Iterable[Part], jobs: Sequence[Job], folder: Path, console: Console
) -> None:
    """The tables of all parts."""
    for part in parts:
        if part.comparison.entries:
            print_comparison(part.comparison, console, title=part.title)
    adapted = [job for job in jobs if job.command == "adapt"]
    for curve in shot_curves(list(few_shot_rows(adapted, folder))):
        console.print(shot_table(curve))
    for job in jobs:
        if job.command == "transfer" and job.finished(folder):
            console.print(Text(_title(suite, job.group, job.protocol), style="bold"))
            for sentence in helps_sentences(read_transfer(folder / job.name)):
                console.print(Text(sentence), soft_wrap=True)


def write_suite_page(suite: SuiteConfig, parts: Sequence[Part], folder: Path, failed: Mapping[str, str]) -> Path:
    """``folder/report.html``."""
    seeds = ", ".join(map(str, suite.seeds))
    lead = f"{suite.title}. Methods: {', '.join(suite.methods)}; seeds {seeds}."
    return write_comparison(folder, parts, lead=lead, failed=failed)


def _compared(suite: SuiteConfig, jobs: Sequence[Job], folder: Path) -> Comparison:
    runs = [Run(folder / job.name, job.method) for job in jobs if job.finished(folder)]
    if not runs:
        return Comparison([], [])
    found = compare(sorted(runs, key=lambda run: list(suite.methods).index(run.label)))
    labels = [entry.label for entry in found.entries]
    return set_against(with_metrics(found, suite.metrics), suite.against if suite.against in labels else "")


def _transferred(title: str, job: Job, folder: Path) -> Part:
    found = read_transfer(folder / job.name)
    sentences = Markup("").join(Markup("<li>{}</li>").format(line) for line in helps_sentences(found))
    return Part(title, Comparison([], []), [helps_map(found), Markup("<ul>{}</ul>").format(sentences)])


def _title(suite: SuiteConfig, group: str, protocol: str) -> str:
    """What of both is a choice in this suite."""
    words = [group] if len(suite.scenarios) > 1 or len(suite.protocols) == 1 else []
    return ", ".join([*words, *([protocol] if len(suite.protocols) > 1 else [])])
