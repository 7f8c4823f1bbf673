"""The five scenarios, jointly trained, beside single-scenario training and counting, over three seeds.

Protocols and row lists are those of :mod:`benchmarks.quality.protocols`: A for video, B for ecommerce, C (with its
cold artists) for music, D for social; facts of kg are split at random with inverse facts kept together. Every
method is asked for the same rows: baselines count training and validation rows, models learn from training rows,
choose their best step on validation rows, and see both as history. Rankings are full.

    python -m benchmarks.quality.five_scenarios

takes about 15 minutes on two quiet cores.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.quality.protocols import PLAIN, RealData
from benchmarks.quality.seeds import OverSeeds, protocol_of
from benchmarks.results import write_results
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import TrainConfig
from polyscene.report import read_metrics
from polyscene.training.run import train

SEEDS = (0, 1, 2)
CONTROLS = ("popularity", "recent_popularity", "item_knn", "ease", "content", "adamic_adar", "random_walk")
METRICS = ("ndcg@10", "recall@10", "mrr", "rmse")
COMMAND = "python -m benchmarks.quality.five_scenarios"


def config_of(data: RealData, seed: int, folder: Path) -> TrainConfig:
    """The config of one run. Baselines do not depend on the seed and are measured with the first one."""
    controls = ["single", *(CONTROLS if seed == SEEDS[0] else ())]
    lines = [f"seed={seed}", f"controls=[{','.join(controls)}]", f"data.root={data.root}", f"run.dir={folder}"]
    mapping = compose("train", [*lines, *PLAIN, "scenario.social.dataset=lastfm_2k"], data.host)
    splits = data.root / "splits"
    music, social = splits / "lastfm_music_split.parquet", splits / "lastfm_social_split.parquet"
    mapping["scenario"]["music"]["split"] = {"name": "given", "path": str(music), "cold_column": "cold_item"}
    mapping["scenario"]["social"]["split"] = {
        "name": "given",
        "path": str(social),
        "user_column": "u",
        "item_column": "v",
        "undirected": True,
    }
    return resolve_train(mapping, data.host)


def measured(data: RealData, seeds: tuple[int, ...], folder: Path) -> list[dict[str, Any]]:
    """Result rows of all runs."""
    rows = []
    for seed in seeds:
        rows += read_metrics(train(config_of(data, seed, folder / str(seed)), data.host))["results"]
    return rows


def summarized(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and spread over seeds of every figure, as rows of the results file."""
    figures = OverSeeds(COMMAND)
    for row in rows:
        if row["metric"] in METRICS:
            key = (protocol_of(row), row["scenario"], row["method"], row["metric"])
            figures.add(key, row["seed"], row["value"])
    return list(figures.rows())


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """NDCG@10 of every method, as one table."""
    table = Table("scenario", "protocol", "method", "NDCG@10", "seeds")
    for row in rows:
        if row["metric"] == "ndcg@10":
            spread = f" ± {row['std']:.4f}" if row["std"] is not None else ""
            figure = f"{row['mean']:.4f}{spread}"
            table.add_row(row["scenario"], row["protocol"], row["method"], figure, str(len(row["seeds"])))
    console.print(table)


def main(arguments: list[str]) -> None:
    """Measures all seeds (or those given), prints, and with all seeds writes ``results/five_scenarios.json``."""
    seeds = tuple(int(seed) for seed in arguments) or SEEDS
    console = Console(width=200)
    with tempfile.TemporaryDirectory() as folder:
        rows = summarized(measured(RealData(), seeds, Path(folder)))
    show(rows, console)
    if seeds == SEEDS:
        console.print(f"written to {write_results('five_scenarios', rows)}; now run python -m benchmarks.render")


if __name__ == "__main__":
    main(sys.argv[1:])
