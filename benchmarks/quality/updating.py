"""A model that goes on learning from feedback, beside one that does not and one that is trained again.

    python -m benchmarks.quality.updating                    # three seeds
    python -m benchmarks.quality.updating --seeds 0 --steps 200

A run learns the first six tenths of each viewer's ratings in MovieLens-100K. The next three tenths are fed as
feedback through the log, in three rounds, with ``polyscene update`` after each; the last tenth is asked for, from
histories that hold everything before it, which all methods read. NDCG@10 of these new rows, and of the kept rows:
the validation rows of the first run.

``frozen`` never learns again. ``counting alone`` lets popularity and priors count what was fed and learns nothing.
``update`` has the defaults: it counts, and adapters and heads learn, with replay and distillation; ``naive`` has
neither of these two. ``with encoders`` lets the encoders of the scenario learn as well (``learn.encoders=true``).
``trained again`` is a new run on all that the others were fed; it has learned from the kept rows, so they say
nothing of it. What updates learn is taken here whatever is decided; how often it would have been is a figure of
its own, for which it has to add to what is counted. Updates hold out the latest fifth of what is new, which is
learned and counted by the next. Finished parts are remembered (``--folder``).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.quality import earlier
from benchmarks.quality.earlier import NAME, EarlierConfig, place_R
from benchmarks.quality.seeds import OverSeeds
from benchmarks.quality.suite import SEEDS, default_folder
from benchmarks.results import write_results
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import DataConfig, TrainConfig
from polyscene.data.files import atomic_path
from polyscene.feedback import Reaction, open_log
from polyscene.registry.discovery import GROUP, Candidate
from polyscene.registry.host import Host, load_host
from polyscene.serving.counting import read_update
from polyscene.serving.deployment import Deployment
from polyscene.serving.reactions.reading import Row
from polyscene.serving.reactions.rows import rows_of
from polyscene.training.reporter import Reporter
from polyscene.training.restore import restore
from polyscene.training.run import train
from polyscene.updating.config import LearnConfig, UpdateConfig
from polyscene.updating.joining import join, settle_in
from polyscene.updating.run import update
from polyscene.updating.scenario import Measure

COMMAND = "python -m benchmarks.quality.updating"
FIRST, ROUNDS = 0.6, (0.7, 0.8, 0.9)
STEPS = 300
COUNTING = "counting alone"
METHODS: dict[str, dict[str, Any]] = {
    COUNTING: {"lr": 0.0},
    "update": {},
    "update, without counting": {},
    "naive": {"replay": 0.0, "distill": 0.0},
    "update, with encoders": {"encoders": True},
    "naive, with encoders": {"replay": 0.0, "distill": 0.0, "encoders": True},
}
FROZEN, AGAIN = "frozen", "trained again"
NEW, KEPT, TAKEN = "ndcg@10 of new rows", "ndcg@10 of kept rows", "updates that would be taken, of 3"


@dataclass
class World:
    """What all methods have in common.

    Args:
        host: the plugins.
        seed: of training and updates.
        steps: of training, at most.
        folder: where runs are remembered.
    """

    host: Host
    seed: int
    steps: int
    folder: Path

    def config(self, upto: float, run: Path) -> TrainConfig:
        """The training on a share of each viewer's ratings."""
        lines = [f"seed={self.seed}", f"trainer.steps={self.steps}", "trainer.threads=1", "controls=[]"]
        known = compose("train", ["experiment=none", "scenario=[video]"], self.host)
        mapping = compose(
            "train", ["experiment=none", "scenario=[]", "trainer.accelerator=cpu", *lines], self.host
        )
        mapping["dataset"] = known["dataset"]
        split = {"name": "leave_one_out"}
        mapping["scenario"] = {NAME: {"upto": upto, "split": split, "max_history": 20}}
        mapping["run"] = {"dir": str(run)}
        return resolve_train(mapping, self.host)

    def trained(self, upto: float) -> Path:
        """A run, from the folder if it was finished before."""
        run = self.folder / f"updating-{self.seed}-{self.steps}-{upto}"
        if not (run / "metrics.json").is_file():
            train(self.config(upto, run), self.host)
        return run

    @cached_property
    def rows(self) -> list[tuple[float, Row]]:
        """All ratings after the first, with the round that each belongs to, in the order in which they are fed."""
        run = restore(str(self.trained(FIRST)), self.host, root="", data=DataConfig(), device="cpu")
        tables = earlier.load(EarlierConfig(upto=1.0), run.session.access)
        place, table = place_R(tables), tables.interactions
        bounds = (FIRST, *ROUNDS)
        found: list[tuple[float, Row]] = []
        for start, end in zip(bounds, (*ROUNDS, 1.0), strict=True):
            part = table[(place >= start) & (place < end)]
            part = part.iloc[np.argsort(np.asarray(part["timestamp"]), kind="stable")]
            columns = zip(part["user_id"], part["item_id"], part["rating"], part["timestamp"], strict=True)
            found += [
                (start, Row(0, str(user), str(item), "rating", float(value), float(time)))
                for user, item, value, time in columns
            ]
        return [(start, row._replace(number=number)) for number, (start, row) in enumerate(found, 1)]

    def measure(self, run: Path, known: float) -> dict[str, float]:
        """The figures of a run or version whose data holds the ratings up to a share."""
        restored = restore(str(run), self.host, root="", data=DataConfig(), device="cpu")
        model, loaded, config = restored.model("joint"), restored.loaded.scenarios[NAME], UpdateConfig()
        later = [(start, row) for start, row in self.rows if start >= known]
        found = [row for _, row in later]
        rows = rows_of(found, loaded, model.main_task(NAME), Counter(), people=False)
        last = {row.number for start, row in later if start == ROUNDS[-1]}
        held_X = np.array([number in last for number in rows.number_X.tolist()])
        joined = join(loaded, rows, held_X)
        settle_in(restored.session, model, joined)
        measure = Measure(restored.session, model, joined, config, len(loaded.tables.items))
        counted = read_update(run)["scenarios"].get(NAME, {}).get("counted", 0)
        return {NEW: fmean(measure.held(counted).values()), KEPT: fmean(measure.kept().values())}

    def updated(self, method: str) -> dict[str, float]:
        """The figures after all rounds."""
        deployment = Deployment(
            self.folder / f"updating-{self.seed}-{method.replace(', ', '-').replace(' ', '-')}"
        )
        deployment.promote(deployment.adopt(self.trained(FIRST), by=COMMAND), by=COMMAND)
        config = UpdateConfig(
            deployment=str(deployment.folder),
            promotion="never",
            device="cpu",
            seed=self.seed,
            count="without counting" not in method,
            learn=LearnConfig(**METHODS[method]),
        )
        taken = 0
        version = ""
        for start in (FIRST, *ROUNDS[:-1]):
            with closing(open_log(str(deployment.folder / "feedback.db"))) as log:
                log.append([_reaction(row) for round_start, row in self.rows if round_start == start])
            outcome = update(config, self.host, Reporter(self.host, speaks=False))
            taken += "promotion=never" in outcome.updated[NAME].decision.reasons[0]
            version = outcome.version
            deployment.promote(version, by=COMMAND)
        found = self.measure(deployment.path_of(version), FIRST) | {TAKEN: float(taken)}
        shutil.rmtree(deployment.folder)
        return found

    def place(self, method: str) -> Path:
        """Where a method's deployment is."""
        return self.folder / f"updating-{self.seed}-{self.steps}-{re.sub(r'[, ]+', '-', method)}"

    def figures(self, method: str) -> dict[str, float]:
        """The figures of a method, from the folder if they were measured before."""
        kept = (
            self.folder / f"updating-{self.seed}-{self.steps}-{method.replace(', ', '-').replace(' ', '-')}.json"
        )
        if kept.is_file():
            return json.loads(kept.read_text())
        if method in METHODS:
            found = self.updated(method)
        elif method == FROZEN:
            found = self.measure(self.trained(FIRST), FIRST)
        else:
            found = {NEW: self.measure(self.trained(ROUNDS[-1]), ROUNDS[-1])[NEW]}
        with atomic_path(kept) as path:
            path.write_text(json.dumps(found))
        return found


def main() -> None:
    """Measure, print and, where all was measured, write ``results/updating.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps of training ({STEPS})")
    parser.add_argument("--folder", type=Path, default=default_folder())
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    host = _host()
    names, over = (FROZEN, *METHODS, AGAIN), OverSeeds(COMMAND)
    protocol = (
        "MovieLens-100K, first .6 of each viewer's ratings, then three rounds of .1 as feedback; the last .1 asked"
    )
    for seed in arguments.seeds:
        world = World(host, seed, arguments.steps, arguments.folder)
        for method in names:
            for metric, value in world.figures(method).items():
                over.add((protocol, "video", method, metric), seed, value)
    rows = list(over.rows())
    _print(rows)
    if arguments.steps == STEPS and len(arguments.seeds) > 1:
        write_results("updating", rows)


def _host() -> Host:
    entry = metadata.EntryPoint(NAME, "benchmarks.quality.earlier", GROUP)
    video = next(one for one in metadata.entry_points(group=GROUP) if one.name == "video")  # encoders, loss, data
    return load_host(candidates=[Candidate(one.name, one, one.name, "0") for one in (entry, video)])


def _reaction(row: Row) -> Reaction:
    return Reaction(f"rating-{row.number}", row.time, NAME, row.user, row.item, "rating", row.value)


def _print(rows: list[dict[str, Any]]) -> None:
    figures = {(row["method"], row["metric"]): row for row in rows}
    table = Table("method", NEW, KEPT, TAKEN)
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = []
        for metric in (NEW, KEPT, TAKEN):
            row = figures.get((method, metric))
            spread = f" ± {row['std']:.4f}" if row and row["std"] is not None else ""
            cells.append(f"{row['mean']:.4f}{spread}" if row else "-")
        table.add_row(method, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
