"""Does further training of the backbone on the scenarios' own texts help? Cold items by content, and joint models.

    python -m benchmarks.quality.pretraining

The packaged MiniLM is trained on the texts of music and video (all weights, and LoRA), once each. Then the two
scenarios are trained jointly on each backbone with three seeds; beside the joint model stands content alone:
cosine with the mean of the past, which nothing but the backbone can make better. Items that are cold are in no
training row, so neither the backbone nor the model has read their texts. Perplexity and the other measures of
``polyscene pretrain`` are rows as well. Finished parts are remembered in a folder outside the tree (``--folder``),
so a run that was stopped goes on. About 25 minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.quality.seeds import OverSeeds, protocol_of
from benchmarks.quality.suite import default_folder
from benchmarks.results import write_results
from polyscene.backbone.digests import ORIGIN
from polyscene.data.files import atomic_path
from polyscene.report import read_metrics
from polyscene.training.pretraining.report import least_perplexity

SEEDS = (0, 1, 2)
PLAIN = "as packaged"
TUNED = {"all weights": ("tune=full",), "lora": ("tune=lora", "trainer.lr=0.0005")}
"""How the backbone is trained further, and the options for it."""
COMMAND = "python -m benchmarks.quality.pretraining"
SCENARIOS = (
    "scenario=[music,video]",
    "scenario.music.split={name: given, path: splits/lastfm_music_split.parquet, cold_column: cold_item}",
    "scenario.video.split.cold_items=0.1",
    "trainer.threads=1",
)
TRAINING = ("experiment=none", "controls=[content,popularity]", "trainer.steps=240", "trainer.eval_every=80")
_POLYSCENE = [sys.executable, "-c", "from polyscene.cli.app import main; raise SystemExit(main())"]


def pretrained(name: str, folder: Path) -> Path:
    """The folder of a backbone that was trained further, made if it is not there."""
    run = folder / f"pretraining-{name.replace(' ', '-')}"
    if not (run / "backbone").is_dir():
        _polyscene("pretrain", *SCENARIOS, *TUNED[name], f"run.dir={run}")
    return run / "backbone"


def trained(name: str, seed: int, folder: Path) -> dict[str, Any]:
    """``metrics.json`` of the scenarios trained on a backbone."""
    kept = folder / f"pretraining-{name.replace(' ', '-')}-{seed}.json"
    if not kept.is_file():
        run = kept.with_suffix(".run")
        model = [] if name == PLAIN else [f"backbone.model={pretrained(name, folder)}"]
        _polyscene("train", *SCENARIOS, *TRAINING, *model, f"seed={seed}", f"run.dir={run}")
        with atomic_path(kept) as temporary:
            temporary.write_text(json.dumps(read_metrics(run)), encoding="utf-8")
        shutil.rmtree(run)
    return json.loads(kept.read_text(encoding="utf-8"))


def rows(folder: Path, seeds: list[int], console: Console) -> Iterator[dict[str, Any]]:
    """Rows of the results file."""
    for name in TUNED:
        document = json.loads((pretrained(name, folder) / ORIGIN).read_text(encoding="utf-8"))
        yield from _measures(name, document)
    figures = OverSeeds(COMMAND)
    for name in (PLAIN, *TUNED):
        for seed in seeds:
            for row in trained(name, seed, folder)["results"]:
                # Baselines do not depend on the seed, and popularity not on the backbone either.
                once = row["method"] != "joint" and seed != seeds[0]
                if row["metric"] == "ndcg@10" and not once and (row["method"] != "popularity" or name == PLAIN):
                    key = (protocol_of(row), row["scenario"], f"{row['method']}, backbone {name}", "ndcg@10")
                    figures.add(key, seed, row["value"])
            console.print(f"{name}, seed {seed}")
    yield from figures.rows()


def _measures(name: str, document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    texts = document["texts"]
    row = {
        "protocol": f"texts of training rows: {texts['learned']:,} learned, {texts['held_out']:,} held out",
        "scenario": "music and video",
        "std": None,
        "seeds": [document["seed"]],
        "command": COMMAND,
    }
    before, after = document["perplexity"][0]["held_out"], least_perplexity(document)
    for side, perplexity in (("before", before), ("after", after)):
        method = f"backbone {name}, {side}"
        yield {**row, "method": method, "metric": "perplexity of held-out texts", "mean": perplexity}
        for metric, figure in document["figures"].items():
            yield {**row, "method": method, "metric": metric, "mean": figure[side]["value"]}


def _polyscene(*arguments: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*_POLYSCENE, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"polyscene {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")


def show(found: list[dict[str, Any]], console: Console) -> None:
    """The comparison as a table."""
    table = Table("scenario", "protocol", "method", "metric", "mean", "std")
    for row in found:
        spread = "" if row["std"] is None else f"{row['std']:.4f}"
        population = row["protocol"].rpartition("; ")[2]
        table.add_row(row["scenario"], population, row["method"], row["metric"], f"{row['mean']:.4f}", spread)
    console.print(table)


def main() -> None:
    """Measures what is asked for; with all seeds writes ``results/pretraining.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--folder", type=Path, default=default_folder(), help="where finished parts are kept")
    given = parser.parse_args()
    console = Console(width=150)
    given.folder.mkdir(parents=True, exist_ok=True)
    found = list(rows(given.folder, given.seeds, console))
    show(found, console)
    if set(given.seeds) >= set(SEEDS):
        console.print(f"written to {write_results('pretraining', found)}; now run python -m benchmarks.render")


if __name__ == "__main__":
    main()
