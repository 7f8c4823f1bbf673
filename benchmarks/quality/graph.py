"""What a knowledge graph gives to recommendation: no graph, each enrichment, and each with shuffled links.

    python -m benchmarks.quality.graph
    python -m benchmarks.quality.graph --kinds attention --seeds 0

Films of MovieLens-100K beside the Freebase facts about them, jointly trained; a twentieth of the films is held out
as new. Every model of a seed has the same rows, seed and steps. ``no_graph`` keeps the facts as a scenario beside
video and reads nothing of them; with shuffled links every film has the entity of another one. Few facts are held
out, as ranking 34,628 entities for each takes longer than all the rest. The controls of text and ids stand beside
the first enrichment.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.quality.seeds import OverSeeds, protocol_of
from benchmarks.quality.suite import SEEDS, Suite, default_folder, finished
from benchmarks.results import write_results

KINDS = ("attention", "verbalized", "side_vectors", "all")
CONTROLS = {"attention": ("no_graph", "shuffled_links", "id_only", "text_only", "shuffled_text")}
ALWAYS = ("shuffled_links",)


@dataclass(frozen=True)
class Enrichments(Suite):
    """The suite whose kinds are ways of enrichment."""

    def arguments(self, kind: str, seed: int) -> list[str]:
        ways = "verbalized,attention,side_vectors" if kind == "all" else kind
        controls = ",".join(CONTROLS.get(kind, ALWAYS))
        return [
            f"experiment={self.experiment}",
            "scenario=[video,kg]",
            f"scenario.kg.enrich=[{ways}]",
            f"controls=[{controls}]",
            f"seed={seed}",
            *self.overrides,
        ]


SUITE = Enrichments(
    "graph",
    "python -m benchmarks.quality.graph",
    "none",
    ("ndcg@10", "recall@10"),
    (
        "scenario.video.dataset=movielens_100k",
        "scenario.video.split.cold_items=0.05",
        "scenario.kg.split={name:triples,validation:0.002,test:0.002}",
        "scenario.kg.share=0.3",
        "trainer.steps=240",
        "trainer.batch_rows=512",
        "trainer.eval_every=60",
        "trainer.warmup=20",
        "trainer.lr=0.004",
    ),
    KINDS,
)


def rows_of(runs: Iterable[tuple[str, int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of the results file: figures on video, an enrichment's name before those of its controls."""
    figures = OverSeeds(SUITE.command)
    for kind, seed, metrics in runs:
        for row in metrics["results"]:
            if row["metric"] in SUITE.metrics and row["scenario"] == "video":
                named = {"joint": kind, "shuffled_links": f"{kind}, shuffled links"}
                method = named.get(row["method"], str(row["method"]))
                figures.add((protocol_of(row), "video", method, row["metric"]), seed, row["value"])
    return list(figures.rows())


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """NDCG@10 of every model: a line per model, a column per protocol."""
    first = [row for row in rows if row["metric"] == SUITE.metrics[0]]
    columns = list(dict.fromkeys(row["protocol"] for row in first))
    table = Table("model", *(column.rpartition(", ")[2] for column in columns))
    for method in dict.fromkeys(row["method"] for row in first):
        own = {row["protocol"]: row for row in first if row["method"] == method}
        cells = [f"{own[one]['mean']:.4f} ± {own[one]['std'] or 0:.4f}" if one in own else "" for one in columns]
        table.add_row(method, *cells)
    console.print(f"{SUITE.name}: {SUITE.metrics[0]}")
    console.print(table)


def main() -> None:
    """Run what is asked for, print it, and with all kinds and seeds write the results file."""
    parser = argparse.ArgumentParser(description="graph: every enrichment and its controls over seeds")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), help=f"enrichments (default {' '.join(KINDS)})")
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS), help="seeds (default 0 1 2)")
    parser.add_argument("--folder", type=Path, default=default_folder(), help="where finished runs are remembered")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    console = Console(width=200)
    runs = []
    for seed in given.seeds:
        for kind in given.kinds:
            runs.append((kind, seed, finished(SUITE, kind, seed, given.folder)))
            console.print(f"{kind}, seed {seed}: {runs[-1][2]['seconds']['total']:.0f} s")
    rows = rows_of(runs)
    show(rows, console)
    if set(given.kinds) >= set(KINDS) and set(given.seeds) >= set(SEEDS):
        console.print(f"written to {write_results(SUITE.name, rows)}; now run python -m benchmarks.render")


if __name__ == "__main__":
    main()
