"""Items that training never saw, beside those that it did: what each means against the cold start brings.

    python -m benchmarks.quality.cold_start                        # three data sets, five methods, three seeds
    python -m benchmarks.quality.cold_start --scenarios music --seeds 0

Each scenario is trained alone, with the trainer of the quickstart. Last.fm has its given split (461 artists taken
out whole); of MovieLens-1M and the Complete Journey a tenth of the items is taken out, another one with each seed,
as it matters more which items are new than what is done about them. Rankings are full: ``warm`` among all items,
``cold`` among the cold ones, ``cold_all`` cold items among all. Methods:

- ``full``: content dropout; new items borrow from known ones with texts like theirs what priors say, as is the
  default; a stand-in for missing ids, learned apart; and all on one scale, for at most half a hundredth of the
  validation score;
- ``stand_in``: the same with nothing borrowed;
- ``dropout``: content dropout alone, with the unknown vector in place of ids [DropoutNet];
- ``content``: no ids at all;
- ``none``: ids and content, nothing done about the cold start.

The methods and their options were chosen on cold items of another draw (``split.seed=100``).

In all of them items that no training row holds are no candidates of the training loss and have a popularity of
their own; only where ids are dropped it is learned. Finished runs are remembered, so that a suite that was stopped
goes on where it was.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.quality.seeds import OverSeeds, protocol_of
from benchmarks.quality.suite import SEEDS, Suite, default_folder, finished, show, summarized
from benchmarks.results import write_results

COMMAND = "python -m benchmarks.quality.cold_start"
METRICS = ("ndcg@10", "recall@10", "mrr")
CONTROLS = "controls=[popularity,item_knn,ease,content]"
SCENARIOS = ("music", "ecommerce", "video")
_GIVEN = "{name: given, path: splits/lastfm_music_split.parquet, cold_column: cold_item}"
SPLITS = {
    "music": f"scenario.music.split={_GIVEN}",
    "ecommerce": "scenario.ecommerce.split.cold_items=0.1",
    "video": "scenario.video.split.cold_items=0.1",
}
CONTENT = {
    "music": "{text: text, item_id: tag_profile}",
    "ecommerce": "{text: text, department_path: hierarchy, brand_path: hierarchy}",
    "video": "{text: text, genres: tags, year: number}",
}
METHODS = {
    "full": ("model.content_dropout=0.2", "model.new_item_cost=0.005", "auxiliary=[{name: stand_in}]"),
    "stand_in": (
        "model.content_dropout=0.2",
        "model.new_item_cost=0.005",
        "auxiliary=[{name: stand_in}]",
        "model.lenders=0",
    ),
    "dropout": ("model.content_dropout=0.2", "model.lenders=0"),
    "content": ("model.content_dropout=0.2", "model.lenders=0"),
    "none": ("model.content_dropout=0", "model.lenders=0"),
}


@dataclass(frozen=True)
class ColdStart(Suite):
    """The methods on one scenario.

    Args:
        scenario: which one, trained alone.
    """

    scenario: str = ""

    def arguments(self, kind: str, seed: int) -> list[str]:
        """The arguments of ``polyscene train`` for one method and seed; baselines are measured with the first."""
        columns = f"scenario.{self.scenario}.columns={{items: {CONTENT[self.scenario]}}}"
        return [
            f"experiment={self.experiment}",
            f"scenario=[{self.scenario}]",
            SPLITS[self.scenario],
            # Last.fm's cold artists are given.
            *(() if self.scenario == "music" else (f"scenario.{self.scenario}.split.seed={seed}",)),
            *METHODS[kind],
            *((columns,) if kind == "content" else ()),
            CONTROLS if (kind, seed) == ("full", SEEDS[0]) else "controls=[]",
            f"seed={seed}",
        ]


def suite_of(scenario: str) -> ColdStart:
    """The suite of one scenario."""
    return ColdStart(f"cold_start_{scenario}", COMMAND, "none", METRICS, kinds=tuple(METHODS), scenario=scenario)


def rows_of(scenario: str, given: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """Figures of one scenario for the methods and seeds of the command line, printed too."""
    suite = suite_of(scenario)

    def run(job: tuple[str, int]) -> tuple[str, int, dict[str, Any]]:
        return *job, with_one_protocol(finished(suite, *job, given.folder))

    with ThreadPoolExecutor(given.jobs) as pool:
        found = list(pool.map(run, [(method, seed) for seed in given.seeds for method in given.methods]))
    rows = [row for row in summarized(suite, found) if row["protocol"] != "cost"]
    rows += differences(found)
    show(suite, rows, console)
    return rows


def with_one_protocol(metrics: dict[str, Any]) -> dict[str, Any]:
    """Figures of a run under a protocol that does not tell which cold items were drawn."""
    results = [
        {**row, "protocol": re.sub(r"seed=\d+", "seed=that of the run", row["protocol"])}
        for row in metrics["results"]
    ]
    return {**metrics, "results": results}


def differences(found: Iterable[tuple[str, int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """By how much the first method is above each other one, seed by seed: what a draw does to both cancels."""
    value = {
        (protocol_of(row), row["scenario"], method, seed): row["value"]
        for method, seed, metrics in found
        for row in metrics["results"]
        if row["method"] == "joint" and row["metric"] == METRICS[0]
    }
    figures, first = OverSeeds(COMMAND), next(iter(METHODS))
    for (protocol, scenario, method, seed), own in value.items():
        if method != first and (protocol, scenario, first, seed) in value:
            above = value[protocol, scenario, first, seed] - own
            figures.add((protocol, scenario, f"{first} minus {method}", METRICS[0]), seed, above)
    return list(figures.rows())


def main(arguments: list[str] | None = None) -> None:
    """Run what is asked for, print it, and with everything write ``results/cold_start.json``."""
    parser = argparse.ArgumentParser(description="cold items over methods and seeds")
    parser.add_argument("--scenarios", nargs="*", default=list(SCENARIOS), choices=SCENARIOS)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each (default 2)")
    parser.add_argument("--folder", type=Path, default=default_folder(), help="where finished runs are remembered")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    console = Console(width=200)
    rows: list[dict[str, Any]] = []
    for scenario in given.scenarios:
        rows += rows_of(scenario, given, console)
    everything = (given.scenarios, given.methods, given.seeds) == ([*SCENARIOS], [*METHODS], [*SEEDS])
    if everything:
        console.print(f"written to {write_results('cold_start', rows)}; now run python -m benchmarks.render")


if __name__ == "__main__":
    main()
