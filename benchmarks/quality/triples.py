"""Link prediction on UMLS and Kinships: structural vectors, the bi-encoder and KG-BERT, beside published figures.

Splits are those that all papers use (the files of PyKEEN 1.11.1); ranks are filtered, among all entities, and the
mean over both directions of every test fact.

    python -m benchmarks.quality.triples
    python -m benchmarks.quality.triples --methods complex bi_encoder --seeds 0

``bi_encoder`` and ``kg_bert`` learn in the last two layers of the backbone (LoRA); ``bi_encoder_frozen`` reads the
same texts with the backbone as it is. All these are without the counts that facts have beside them by default;
``counted`` are vectors that the scenario's columns make, with these counts, and ``shared_facts`` are the counts
alone. With a GPU a minute or two each; on two cores half an hour.

Finished runs are remembered, so that a benchmark that was stopped goes on where it was.

Beside them stand the Hits@10 and mean rank that Yao et al. report for KG-BERT on UMLS (arXiv 1909.03193).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.quality.seeds import OverSeeds, protocol_of
from benchmarks.quality.suite import default_folder, run_polyscene
from benchmarks.results import update_results
from polyscene.data.files import atomic_path
from polyscene.report import read_metrics

COMMAND = "python -m benchmarks.quality.triples"
SEEDS = (0, 1, 2)
METRICS = ("mrr", "hit@1", "hit@3", "hit@10", "mean_rank")


def _structural(scoring: str, **options: Any) -> tuple[str, ...]:
    given = {"scoring": scoring, "own_width": 256, **options}
    task = ", ".join(f"{key}: {value}" for key, value in given.items())
    return "experiment=umls", f"scenario.kg.tasks=[{{name: triple, options: {{{task}}}}}]"


_READ = ("experiment=umls_bi_encoder",)
_COUNTED = "counted"
_PARTS = {"joint": _COUNTED, "priors_only": "shared_facts"}
METHODS: dict[str, tuple[str, ...]] = {
    "transe": _structural("transe"),
    "rotate": _structural("rotate"),
    "distmult": _structural("distmult", regularization="n3", regularization_weight=0.01),
    "complex": _structural("complex", regularization="n3", regularization_weight=0.01),
    "bi_encoder_frozen": (*_READ, "backbone=minilm", "trainer.batch_rows=512", "trainer.lr=0.003"),
    "bi_encoder": _READ,
    "kg_bert": ("experiment=umls_kg_bert",),
    _COUNTED: (
        "experiment=umls",
        "scenario.kg.tasks=[{name: triple, options: {scoring: complex}}]",
        "trainer.steps=500",
        "trainer.eval_every=250",
        "controls=[priors_only]",
    ),
}
DATA_SETS = {"umls": tuple(METHODS), "kinships": ("transe", "rotate", "distmult", "complex", _COUNTED)}
"""Kinships has no names to read."""
PUBLISHED = {"hit@10": 0.990, "mean_rank": 1.47}


def arguments(dataset: str, method: str, seed: int) -> list[str]:
    """The arguments of ``polyscene train`` for one run."""
    return [*METHODS[method], f"scenario.kg.dataset={dataset}", f"seed={seed}"]


def finished(dataset: str, method: str, seed: int, folder: Path) -> dict[str, Any]:
    """``metrics.json`` of a run, from the folder if the run was made before."""
    given = arguments(dataset, method, seed)
    key = hashlib.sha256("\n".join(given).encode()).hexdigest()[:12]
    kept = folder / f"triples-{dataset}-{method}-{seed}-{key}.json"
    if not kept.is_file():
        run = kept.with_suffix(".run")
        run_polyscene(["train", *given, "trainer.threads=1", f"run.dir={run}"])
        with atomic_path(kept) as temporary:
            temporary.write_text(json.dumps(read_metrics(run)), encoding="utf-8")
        shutil.rmtree(run)
    return json.loads(kept.read_text(encoding="utf-8"))


def measured(methods: Sequence[str], seeds: Sequence[int], folder: Path, console: Console) -> list[dict[str, Any]]:
    """Result rows of all runs, with the seconds of training on one thread."""
    figures = OverSeeds(COMMAND)
    for dataset, suited in DATA_SETS.items():
        for method in (method for method in methods if method in suited):
            for seed in seeds:
                metrics = finished(dataset, method, seed, folder)
                console.print(f"triples: {dataset}, {method}, seed {seed}: {metrics['seconds']['total']:.0f} s")
                for row in metrics["results"]:
                    names = _PARTS if method == _COUNTED else {"joint": method}
                    if row["metric"] in METRICS and row["method"] in names:
                        key = (f"{dataset}; {protocol_of(row)}", "kg", names[row["method"]], row["metric"])
                        figures.add(key, seed, row["value"])
                key = (f"{dataset}; cost", "kg", method, "seconds of training")
                figures.add(key, seed, metrics["seconds"]["train"])
    return list(figures.rows())


def published_rows() -> list[dict[str, Any]]:
    """The published figures as rows of the results file."""
    return [
        {
            "protocol": "umls; published",
            "scenario": "kg",
            "method": "kg_bert (Yao et al.)",
            "metric": metric,
            "mean": value,
            "std": None,
            "seeds": [0],
            "command": COMMAND,
        }
        for metric, value in PUBLISHED.items()
    ]


def show(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """A line per data set and method, a column per metric."""
    cells = {
        (row["protocol"].partition(";")[0], row["method"], row["metric"]): f"{row['mean']:.4g}"
        + (f" ± {row['std']:.2g}" if row["std"] is not None else "")
        for row in rows
    }
    columns = (*METRICS, "seconds of training")
    table = Table("data set", "method", *columns)
    for dataset, method in dict.fromkeys(key[:2] for key in cells):
        table.add_row(dataset, method, *(cells.get((dataset, method, metric), "") for metric in columns))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="link prediction on UMLS and Kinships")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS), help="default: all")
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS), help="seeds (default 0 1 2)")
    parser.add_argument("--folder", type=Path, default=default_folder(), help="where finished runs are remembered")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    console = Console(width=160)
    rows = [*measured(given.methods, given.seeds, given.folder, console), *published_rows()]
    show(rows, console)
    if set(given.seeds) >= set(SEEDS):
        console.print(f"written to {update_results('triples', rows)}; now run python -m benchmarks.render")


if __name__ == "__main__":
    main()
