"""The five scenarios, jointly trained, beside single-scenario training and counting, over three seeds.

Protocols and row lists are those of :mod:`benchmarks.quality.protocols`: A for video, B for ecommerce, C (with its
cold artists) for music, D for social; facts of kg are split at random with inverse facts kept together. Every
method is asked for the same rows: baselines count training and validation rows, models learn from training rows,
choose their best step on validation rows, and see both as history. Rankings are full.

    python -m benchmarks.quality.five_scenarios

takes about 15 minutes on two quiet cores.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.quality.protocols import PLAIN, RealData
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


def summarized(rows: list[dict[str, Any]], seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    """Mean and spread over seeds of every figure, as rows of the results file."""
    values: dict[tuple[str, ...], dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row["metric"] in METRICS:
            # Where this machine keeps the data is nobody's business: the file's name tells the protocol.
            protocol = re.sub(r"path=\S*/", "path=", row["protocol"])
            protocol = f"{protocol}; view {row['view']}, {row['population']}"
            values[protocol, row["scenario"], row["method"], row["metric"]][row["seed"]] = row["value"]
    return [
        {
            "protocol": protocol,
            "scenario": scenario,
            "method": method,
            "metric": metric,
            "mean": fmean(by_seed.values()),
            "std": stdev(by_seed.values()) if len(by_seed) > 1 else None,
            "seeds": sorted(by_seed),
            "command": COMMAND,
        }
        for (protocol, scenario, method, metric), by_seed in values.items()
    ]


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
        rows = summarized(measured(RealData(), seeds, Path(folder)), seeds)
    show(rows, console)
    if seeds == SEEDS:
        console.print(f"written to {write_results('five_scenarios', rows)}; now run python -m benchmarks.render")


if __name__ == "__main__":
    main(sys.argv[1:])
