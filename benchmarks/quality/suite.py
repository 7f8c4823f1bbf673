"""A suite: every adapter kind on the same experiment with several seeds, as runs of ``polyscene train``.

Finished runs are remembered in a folder outside the tree, by their command and the experiment's file, so that a
suite that was stopped goes on where it was; so does the run that it was stopped in.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.quality.seeds import OverSeeds, protocol_of
from benchmarks.results import write_results
from polyscene.adapters import COMPONENTS
from polyscene.config.folder import conf_dir
from polyscene.data.files import atomic_path
from polyscene.report import read_metrics

SEEDS = (0, 1, 2)
MADE_OF_OTHERS = ("stack", "parallel", "fusion")
KINDS = tuple(component.name for component in COMPONENTS if component.name not in MADE_OF_OTHERS)
"""All adapter kinds of the core."""
CONTROLS = ("none", "id_feature")
_POLYSCENE = [sys.executable, "-c", "from polyscene.cli.app import main; raise SystemExit(main())"]


@dataclass(frozen=True)
class Suite:
    """What is compared, and on what.

    Args:
        name: names the results file.
        command: what makes it.
        experiment: the config in ``conf/experiment``.
        metrics: the metrics that are kept; the first is shown.
        overrides: further overrides of every run.
        kinds: the adapters that are compared.
    """

    name: str
    command: str
    experiment: str
    metrics: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    kinds: tuple[str, ...] = KINDS

    def arguments(self, kind: str, seed: int) -> list[str]:
        """The arguments of ``polyscene train`` for one run."""
        return [f"experiment={self.experiment}", f"adapter={kind}", f"seed={seed}", *self.overrides]

    def method(self, kind: str, found: str) -> str:
        """What a method of a run's figures is called in the results; empty leaves its figures out."""
        return kind if found == "joint" else found


def finished(suite: Suite, kind: str, seed: int, folder: Path) -> dict[str, Any]:
    """``metrics.json`` of a run, from the folder if the run was made before."""
    arguments = suite.arguments(kind, seed)
    text = (conf_dir() / "experiment" / f"{suite.experiment}.yaml").read_text(encoding="utf-8")
    key = hashlib.sha256("\n".join([*arguments, text]).encode()).hexdigest()[:12]
    kept = folder / f"{suite.name}-{kind}-{seed}-{key}.json"
    if kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    run = kept.with_suffix(".run")
    run_polyscene(["train", *arguments, "trainer.threads=1", f"run.dir={run}"])
    metrics = read_metrics(run)
    with atomic_path(kept) as temporary:
        temporary.write_text(json.dumps(metrics), encoding="utf-8")
    shutil.rmtree(run)
    return metrics


def run_polyscene(arguments: Sequence[str]) -> None:
    """The command ``polyscene`` in a process of its own, on one thread.

    Raises:
        RuntimeError: it failed; the message has what it wrote.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*_POLYSCENE, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"polyscene {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")


def summarized(suite: Suite, runs: Iterable[tuple[str, int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of the results file: mean and standard deviation over seeds of every kind's figures.

    Beside the metrics: the parameters that a scenario brings. The mean over scenarios (domains, but not all of
    them together) is the scenario ``macro``; with it come the differences from the controls, seed by seed.
    """
    figures = OverSeeds(suite.command)
    macro: dict[tuple[str, str, str], dict[int, float]] = defaultdict(dict)
    for kind, seed, metrics in runs:
        own: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        for row in metrics["results"]:
            method = suite.method(kind, row["method"])
            if row["metric"] not in suite.metrics or not method:
                continue
            protocol = protocol_of(row)
            figures.add((protocol, row["scenario"], method, row["metric"]), seed, row["value"])
            if row["method"] == "joint" and row["scenario"] in metrics["sources"]:
                own[protocol.partition("; ")[2], row["metric"]][row["scenario"]] = row["value"]
        for (view, metric), by_scenario in own.items():
            if len(by_scenario) > 1:
                mean = fmean(by_scenario.values())
                figures.add((f"mean over scenarios; {view}", "macro", kind, metric), seed, mean)
                macro[view, metric, kind][seed] = mean
        brought = fmean(metrics["parameters"]["adapters"].values())
        figures.add(("cost", "macro", kind, "parameters per scenario"), seed, brought)
    add_differences(figures, macro)
    return list(figures.rows())


def add_differences(figures: OverSeeds, macro: Mapping[tuple[str, str, str], Mapping[int, float]]) -> None:
    """Every kind's mean over scenarios minus each control's, seed by seed: what a seed does to both cancels."""
    for (view, metric, kind), by_seed in macro.items():
        for control in CONTROLS:
            known = macro.get((view, metric, control), {})
            for seed in by_seed.keys() & known.keys() if kind != control else ():
                protocol = f"mean over scenarios minus that of a control; {view}"
                difference = by_seed[seed] - known[seed]
                figures.add((protocol, "macro", kind, f"{metric} - {control}"), seed, difference)


def show(suite: Suite, rows: Sequence[dict[str, Any]], console: Console) -> None:
    """The first metric: a line per kind, a column per scenario and protocol."""
    columns = dict.fromkeys(
        (row["protocol"], row["scenario"]) for row in rows if row["metric"] == suite.metrics[0]
    )
    cells = {
        (row["method"], row["protocol"], row["scenario"]): f"{row['mean']:.4f}"
        + (f" ± {row['std']:.4f}" if row["std"] is not None else "")
        for row in rows
        if row["metric"] == suite.metrics[0]
    }
    table = Table("method", *(f"{scenario}, {protocol.rpartition('; ')[2]}" for protocol, scenario in columns))
    for method in dict.fromkeys(row["method"] for row in rows):
        table.add_row(method, *(cells.get((method, *column), "") for column in columns))
    console.print(f"{suite.name}: {suite.metrics[0]}")
    console.print(table)


def main(suite: Suite, extra: Sequence[dict[str, Any]] = (), arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for, print it, and with all kinds and seeds write the results file.

    Args:
        suite: what is compared.
        extra: further rows of the results file, such as published figures.
        arguments: the command line; ``None`` takes that of the process.
    """
    parser = argparse.ArgumentParser(description=f"{suite.name}: all adapter kinds over seeds")
    parser.add_argument(
        "--kinds", nargs="*", default=list(suite.kinds), help=f"adapters (default {' '.join(suite.kinds)})"
    )
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS), help="seeds (default 0 1 2)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each (default 2)")
    parser.add_argument("--folder", type=Path, default=default_folder(), help="where finished runs are remembered")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    wanted = [(kind, seed) for seed in given.seeds for kind in given.kinds]
    console = Console(width=200)

    def run(job: tuple[str, int]) -> tuple[str, int, dict[str, Any]]:
        metrics = finished(suite, *job, given.folder)
        console.print(f"{suite.name}: {job[0]}, seed {job[1]}: {metrics['seconds']['total']:.0f} s")
        return *job, metrics

    with ThreadPoolExecutor(given.jobs) as pool:
        rows = [*summarized(suite, pool.map(run, wanted)), *extra]
    show(suite, rows, console)
    if set(given.kinds) >= set(suite.kinds) and set(given.seeds) >= set(SEEDS):
        console.print(f"written to {write_results(suite.name, rows)}; now run python -m benchmarks.render")


def default_folder() -> Path:
    """Where finished runs are remembered unless the command line says otherwise."""
    cache = os.environ.get("POLYSCENE_CACHE")
    return (Path(cache) if cache else Path.home() / ".cache" / "polyscene") / "suites"
