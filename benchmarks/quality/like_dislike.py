"""Does a viewer like a film, from few labels? A text of viewer and film read together, against simple counting.

    python -m benchmarks.quality.like_dislike
    python -m benchmarks.quality.like_dislike --shots 16 --draws 0 1 --methods cross_frozen

Prompts of MovieLens-100K in the manner of TALLRec's film case (:mod:`benchmarks.quality.prompts`): 16, 64 or
256 labelled prompts, drawn several times; tested on all prompts of the newest tenth. Beside plain AUC stands AUC
within viewers (weighted by their prompts, of viewers with both labels). Most of plain AUC is knowing who likes
much: the share of likes among the ten ratings before, which learns nothing, says that.

Methods: ``cross_frozen`` learns a head on vectors of whole prompts; ``cross_lora`` also a LoRA in the last two
layers, over stored states; ``bi_encoder`` reads the past as a sequence of film vectors and ratings and compares
it with the film. ``history_share``, ``popularity`` (ratings before the test) and ``item_rate`` (likes among the
shots) learn nothing. Learning rates and numbers of steps were set beforehand and not tuned; no validation rows are
used. Finished parts are remembered (``--folder``), so a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.table import Table

from benchmarks.quality import prompts
from benchmarks.quality.prompts import NAME, with_shots
from benchmarks.quality.seeds import OverSeeds
from benchmarks.quality.suite import default_folder
from benchmarks.results import write_results
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.data.files import atomic_path
from polyscene.data.phases import Phase
from polyscene.evaluation.clicks import HISTORY_SHARE, ITEM_RATE, Judged, judge
from polyscene.evaluation.metrics import auc, grouped_auc, users_with_both
from polyscene.evaluation.requests import POPULATIONS
from polyscene.registry.discovery import GROUP, Candidate
from polyscene.registry.host import load_host
from polyscene.training.assembly import build_model
from polyscene.training.fit import Fitting, Progress
from polyscene.training.loading import Loaded
from polyscene.training.session import Session, prepare_torch

COMMAND = "python -m benchmarks.quality.like_dislike"
SHOTS, DRAWS = (16, 64, 256), (0, 1, 2)
TEMPLATE = (
    "[USER] {age} {gender} {occupation}; liked: {liked}; disliked: {disliked} [ITEM] {item.title}, {item.genres}"
)
_CROSS = {"name": "cross", "options": {"threshold": prompts.LIKED_ABOVE, "template": TEMPLATE}}
_CLICK = {"name": "click", "options": {"threshold": prompts.LIKED_ABOVE}}
METHODS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "cross_frozen": (_CROSS, ["trainer.steps=150", "trainer.lr=0.003"]),
    "cross_lora": (_CROSS, ["backbone=lora", "trainer.steps=40", "trainer.lr=0.002"]),
    "bi_encoder": (_CLICK, ["trainer.steps=150", "trainer.lr=0.003"]),
}
"""The task and the overrides of each method that learns."""
_COMMON = [
    *("experiment=none", "scenario=[]", "adapter=none", "backbone.max_len=128", "trainer.threads=1"),
    *("trainer.accelerator=cpu", "trainer.warmup=10", "trainer.patience=0", "trainer.eval_every=10000"),
]


def session_of(method: str, draw: int) -> Session:
    """Config, data and backbone of a method."""
    entry = metadata.EntryPoint(NAME, "benchmarks.quality.prompts", GROUP)
    video = next(one for one in metadata.entry_points(group=GROUP) if one.name == "video")  # brings the data set
    host = load_host(candidates=[Candidate(one.name, one, one.name, "0") for one in (entry, video)])
    task, overrides = METHODS[method]
    known = compose("train", [*_COMMON, "scenario=[video]"], host)
    mapping = compose("train", [*_COMMON, *overrides, f"seed={draw}"], host)
    mapping["dataset"] = known["dataset"]
    options = {"split": {"name": "given"}, "max_history": prompts.BEFORE + 1, "tasks": [task]}
    mapping["scenario"] = {NAME: options}
    mapping["run"] = {"dir": ""}
    config = resolve_train(mapping, host)
    prepare_torch(config)
    return Session(config, host, torch.device("cpu"), say=lambda _: None)


def judged_by(method: str, shots: int, draw: int, folder: Path) -> tuple[Judged, Loaded, float]:
    """The test prompts as a method judges them after training, the data, and the seconds of training."""
    session = session_of(method, draw)
    loaded = with_shots(session.load(), shots, draw)
    model, learned = build_model(session, loaded)
    subject = session.subject(NAME, loaded.scenarios[NAME])
    started = time.monotonic()
    fitting = Fitting(
        model,
        learned,
        session.config,
        loaded.scenarios,
        {NAME: subject},
        Fabric(accelerator="cpu", devices=1),
        folder,
        Progress(),
        # Rows of a step: a window of the past counts as so many rows.
        min(shots, 16) * (1 if method.startswith("cross") else prompts.BEFORE + 1),
    )
    # Without labels held back, the last state is kept.
    fitting.subjects = {}
    fitting.run()
    seconds = time.monotonic() - started
    with torch.inference_mode():
        found = judge(model.eval(), subject, prompts.BEFORE, POPULATIONS[0])
    assert found is not None
    shutil.rmtree(folder)
    return found, loaded, seconds


def figures(method: str, shots: int, draw: int, folder: Path) -> dict[str, dict[str, float]]:
    """Figures by method, with those of what learns nothing; from the folder if they were measured before."""
    kept = folder / f"like_dislike-{method}-{shots}-{draw}.json"
    if not kept.is_file():
        judged, loaded, seconds = judged_by(method, shots, draw, kept.with_suffix(".run"))
        one = loaded.scenarios[NAME]
        viewer = torch.from_numpy(one.tables.users["viewer"].astype("category").cat.codes.to_numpy(copy=True))
        user_M = viewer.long()[judged.user_M]
        item_M = one.events.item_R[torch.from_numpy(one.events.rows([Phase.TEST], context=True)[1])].long()
        counts_N = torch.from_numpy(prompts.popularity(loaded))
        scores = {
            method: judged.logit_M,
            HISTORY_SHARE: judged.share_M,
            "popularity": counts_N[item_M],
            ITEM_RATE: judged.rate_M,
        }
        found = {
            by: {
                "auc": auc(score_M, judged.label_M),
                "gauc": grouped_auc(score_M, judged.label_M, user_M),
            }
            for by, score_M in scores.items()
        }
        found[method]["seconds of training"] = seconds
        found["test"] = {
            "prompts": len(user_M),
            "viewers": len(user_M.unique()),
            "viewers with both labels": len(users_with_both(judged.label_M, user_M)),
        }
        with atomic_path(kept) as path:
            path.write_text(json.dumps(found), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))


def main() -> None:
    """Measure, print, and with everything write the results file."""
    parser = argparse.ArgumentParser(description="likes and dislikes from few labels")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--shots", nargs="*", type=int, default=list(SHOTS))
    parser.add_argument("--draws", nargs="*", type=int, default=list(DRAWS))
    parser.add_argument("--folder", type=Path, default=default_folder(), help="where finished parts are kept")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    console, seeds = Console(width=120), OverSeeds(COMMAND)
    for method in given.methods:
        for shots in given.shots:
            for draw in given.draws:
                found = figures(method, shots, draw, given.folder)
                for by, values in found.items():
                    protocol = "test" if by == "test" else f"{shots} shots"
                    for metric, value in values.items():
                        seeds.add((f"prompts of MovieLens-100K, {protocol}", "video", by, metric), draw, value)
    rows = list(seeds.rows())
    show(rows, console)
    if set(given.methods) == set(METHODS) and set(given.shots) >= set(SHOTS) and set(given.draws) >= set(DRAWS):
        console.print(f"written to {write_results('like_dislike', rows)}; now run python -m benchmarks.render")


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """A line per protocol and method."""
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    table = Table("protocol", "method", *metrics)
    cells = {
        (row["protocol"], row["method"], row["metric"]): f"{row['mean']:.4g}"
        + (f" ± {row['std']:.3f}" if row["std"] is not None else "")
        for row in rows
    }
    for protocol, method in sorted({(row["protocol"], row["method"]) for row in rows}):
        table.add_row(
            protocol.rpartition(", ")[2], method, *(cells.get((protocol, method, m), "") for m in metrics)
        )
    console.print(table)


if __name__ == "__main__":
    main()
