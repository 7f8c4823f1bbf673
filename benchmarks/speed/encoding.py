"""Encoding through the activation store against the backbone alone, on the texts of the built-in scenarios.

``alone`` is the least that must happen: tokenized texts, sorted by length, in batches of the same token budget,
through the same model in the same precision, pooled; nothing stored. ``store`` is ``Backbone.embed`` on an empty
store, which tokenizes, checks the precision, writes and reads back. The two take turns on the same texts, so that
other load on the machine meets both.

    python -m benchmarks.speed.encoding
    python -m benchmarks.speed.encoding --texts 40000 --pairs 3
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.results import write_results
from benchmarks.speed.figures import figure_row
from polyscene.backbone import Backbone, BackboneConfig
from polyscene.backbone.encode import Tokens, batch_tokens, chunks, encode
from polyscene.backbone.loading import load_encoder, load_tokenizer
from polyscene.backbone.pooling import pool
from polyscene.data.access import DataAccess

SOURCES = ("completejourney", "lastfm-2k", "ml-100k")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=4000, help="distinct texts, drawn from all data sets")
    parser.add_argument("--pairs", type=int, default=7, help="how often both are timed")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with one folder per data set")
    options = parser.parse_args()
    command = f"python -m benchmarks.speed.encoding --texts {options.texts} --pairs {options.pairs}"
    texts = item_texts(options.data, options.texts)
    # Medians: one slow moment of the machine moves the mean of a few ratios, not their median.
    protocol = f"{options.texts} texts, median of pairs"
    rows = [
        figure_row(protocol, "all", method, metric, values, command=command)
        for (method, metric), values in measure(texts, options.pairs).items()
    ]
    write_results("encoding", rows)
    table = Table(
        "method", "metric", "median", "std", title=f"Encoding {len(texts):,} texts, {options.pairs} pairs"
    )
    for row in rows:
        spread = "" if row["std"] is None else f"{row['std']:.3f}"
        table.add_row(str(row["method"]), str(row["metric"]), f"{row['mean']:,.3f}", spread)
    Console().print(table)


def item_texts(data: Path, count: int) -> list[str]:
    """Distinct item texts of all data sets, a seeded draw of ``count``."""
    tables = [pd.read_parquet(data / source / "items.parquet", columns=["text"]) for source in SOURCES]
    texts = pd.concat(tables)["text"].dropna().drop_duplicates()
    return texts.sample(min(count, len(texts)), random_state=0).tolist()


def measure(texts: list[str], pairs: int) -> dict[tuple[str, str], list[float]]:
    """Figures by method and metric, one value per pair."""
    config = BackboneConfig()
    folder = Backbone(config, DataAccess()).folder
    dtype = Backbone(config, DataAccess()).dtype
    model = torch.nn.Module.to(load_encoder(folder, torch.device("cpu"), config.pooling), dtype)
    tokenizer = load_tokenizer(folder)
    found: dict[tuple[str, str], list[float]] = {}

    def note(method: str, metric: str, value: float) -> None:
        found.setdefault((method, metric), []).append(value)

    tokens = [Tokens(tokenizer, [texts[i] for i in chunk], config.max_len) for chunk in chunks(texts)]
    alone(model, tokens[:1], config)  # the first pass allocates
    for _ in range(pairs):
        bare = alone(model, tokens, config)
        cache = Path(tempfile.mkdtemp())
        try:
            local = BackboneConfig(model=str(folder))
            first, again = stored(texts, local, cache), stored(texts, local, cache)
        finally:
            shutil.rmtree(cache)
        note("alone", "texts/s", len(texts) / bare)
        note("store", "texts/s", len(texts) / first)
        note("store", "time against alone", first / bare)
        note("store, second run", "seconds", again)
        note("batches", "padding waste", padding_waste(tokens, batch_tokens(config, model)))
    return found


def alone(model: torch.nn.Module, tokens: list[Tokens], config: BackboneConfig) -> float:
    start = time.perf_counter()
    for part in tokens:
        encode(
            model,
            part,
            batch_tokens(config, model),
            lambda s, m: pool(s, m, config.pooling, normalize=config.normalize),
        )
    return time.perf_counter() - start


def stored(texts: list[str], config: BackboneConfig, cache: Path) -> float:
    start = time.perf_counter()
    Backbone(config, DataAccess(cache=cache), progress=False).embed(texts)
    return time.perf_counter() - start


def padding_waste(tokens: list[Tokens], budget: int) -> float:
    """Share of computed tokens that are padding."""
    computed = sum(int(part.lengths[rows].max()) * len(rows) for part in tokens for rows in part.batches(budget))
    return 1 - sum(int(np.sum(part.lengths)) for part in tokens) / computed


if __name__ == "__main__":
    main()
