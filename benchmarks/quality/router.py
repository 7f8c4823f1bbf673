"""What a router recognizes, how well its probabilities are calibrated, and what serving without labels loses.

    python -m benchmarks.quality.router

On the five scenarios, whose catalogues differ, and on three age groups of MovieLens-1M that rank the same films:
there the scenario of a person has to be read from what they chose. ``joint`` is adapted by the true label,
``joint_hard`` by the likeliest scenario, ``joint_soft`` by the mixture. Finished runs are remembered.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rich.console import Console

from benchmarks.quality.protocols import PLAIN
from benchmarks.quality.suite import SEEDS, Suite, default_folder, finished, show, summarized
from benchmarks.results import write_results

COMMAND = "python -m benchmarks.quality.router"
ADAPTER = "gate"
METRICS = ("ndcg@10", "accuracy", "ece")
AGES = "{column: age_group, values: {young: [1, 18], middle: [25], older: [35, 45, 50, 56]}}"
OVERRIDES = ("router=recognition", "controls=[]", "scenario.video.split.cold_items=0")
SUITES = (
    Suite("router", COMMAND, "quickstart", METRICS, (*OVERRIDES, "scenario.social.dataset=lastfm_2k", PLAIN[1])),
    Suite(
        "router",
        COMMAND,
        "quickstart",
        METRICS,
        (*OVERRIDES, "scenario=[video]", f"scenario.video.domains={AGES}"),
    ),
)


def rows_of(suite: Suite, jobs: int) -> list[dict[str, Any]]:
    """Figures of one suite over the seeds, the model itself under the name ``joint``."""
    with ThreadPoolExecutor(jobs) as pool:
        runs = list(
            pool.map(lambda seed: (ADAPTER, seed, finished(suite, ADAPTER, seed, default_folder())), SEEDS)
        )
    rows = [row for row in summarized(suite, runs) if row["protocol"] != "cost"]
    return [{**row, "method": "joint" if row["method"] == ADAPTER else row["method"]} for row in rows]


def main(arguments: list[str] | None = None) -> None:
    """Run or recall all seeds, print, and write ``results/router.json``."""
    parser = argparse.ArgumentParser(description="recognition of scenarios over seeds")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each (default 2)")
    jobs = parser.parse_args(arguments).jobs
    default_folder().mkdir(parents=True, exist_ok=True)
    console = Console(width=200)
    found = []
    for suite in SUITES:
        rows = rows_of(suite, jobs)
        show(suite, rows, console)
        found += rows
    console.print(f"written to {write_results('router', found)}; now run python -m benchmarks.render")


if __name__ == "__main__":
    main()
