"""One sweep under each launcher: do all jobs finish, with the same results to the last bit, and how long it takes.

    python -m benchmarks.speed.launchers                      # basic, joblib, submitit on this machine, Ray
    python -m benchmarks.speed.launchers --launchers basic ray --seeds 2 --steps 200

The jobs (seeds of the scenario video on MovieLens-100K) run one after another, or two at once in processes with
one thread each; Ray starts a local cluster. Needs pip install -c constraints.txt -e ".[sweep,slurm,ray]".
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import write_results
from benchmarks.speed.figures import figure_row

SIDE_BY_SIDE = {
    "basic": [],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit_local": ["hydra/launcher=submitit_local"],
    "ray": ["hydra/launcher=ray", "hydra.launcher.cpus=1"],
}
JOB = ["scenario=video", "scenario.video.dataset=movielens_100k", "experiment=none", "trainer=smoke"]


def sweep(launcher: str, seeds: int, steps: int, folder: Path) -> float:
    """Seconds of a whole sweep, from the command to its last table."""
    words = ["train", "-m", *SIDE_BY_SIDE[launcher], *JOB, f"trainer.steps={steps}", "trainer.threads=1"]
    words += [f"seed={','.join(map(str, range(seeds)))}", f"run.dir={folder}"]
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "polyscene.cli.app", *words], check=True, stdout=subprocess.DEVNULL, timeout=1800
    )
    return time.perf_counter() - started


def results_of(folder: Path) -> dict[str, Any]:
    """The results of each job of a sweep, by the name of its folder."""
    found = {path.parent.name: json.loads(path.read_text("utf-8")) for path in folder.glob("*/metrics.json")}
    return {name: document["results"] for name, document in found.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweeps and write the table; 1 if a launcher changes results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launchers", nargs="+", choices=SIDE_BY_SIDE, default=list(SIDE_BY_SIDE))
    parser.add_argument("--seeds", type=int, default=4, help="jobs in a sweep")
    parser.add_argument("--steps", type=int, default=50, help="steps of a job")
    options = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    reference: dict[str, Any] = {}
    different: list[str] = []
    with tempfile.TemporaryDirectory() as root:
        sweep("basic", 1, 1, Path(root) / "warm-up")  # texts go through the backbone here
        for launcher in options.launchers:
            folder = Path(root) / launcher
            seconds = sweep(launcher, options.seeds, options.steps, folder)
            found = results_of(folder)
            reference = reference or found
            if len(found) != options.seeds or found != reference:
                different.append(launcher)
            print(f"{launcher}: {seconds:.0f} s, {len(found)} jobs", flush=True)
            # Seconds depend on what else the machine does; they are printed, and not kept.
            figures = {"jobs finished": float(len(found)), "same results (1: yes)": float(found == reference)}
            rows += [
                _row(launcher, metric, value, options.seeds, options.steps) for metric, value in figures.items()
            ]
    print(f"other results than {options.launchers[0]}: {', '.join(different) or 'none'}")
    print(f"written to {write_results('launchers', rows)}")
    return 1 if different else 0


def _row(launcher: str, metric: str, value: float, seeds: int, steps: int) -> dict[str, Any]:
    protocol, command = f"a sweep of {seeds} jobs, {steps} steps each", "python -m benchmarks.speed.launchers"
    return figure_row(protocol, "video", launcher, metric, [value], command=command)


if __name__ == "__main__":
    sys.exit(main())
