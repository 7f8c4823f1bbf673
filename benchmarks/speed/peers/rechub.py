"""torch-rechub's multi-task models and ours, on MovieLens-1M as three domains by age.

Same rows, same seven fields of width 16, batches of 4,096 rows, one thread; the peer's layers are as wide as they
can be with no more parameters outside of the tables than ours has. They take turns, some steps each: the engine in
a training as ``polyscene train`` makes it (four times through the rows), the peer's model and optimizer on ready
batches (twelve times), and the peer as shipped, its own trainer on its own loader, over arrays as in its
multi-task examples or a data frame as in its click examples. What it learns as shipped is what its model learns
alone. Both are tested in their best state on validation rows. Times are processor seconds. The peer's models use
ReLU and leave no units out; a further comparison has ours do the same.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.speed.peers.domains import columns
from benchmarks.speed.peers.engine import Engine, Trained
from benchmarks.speed.peers.environments import RECHUB, NotInstalled
from benchmarks.speed.peers.levels import common_level, seconds_to
from benchmarks.speed.peers.peer import Peer, save
from benchmarks.speed.peers.rows import Rows

OURS = {"shared bottom": "none", "mmoe": "mmoe", "ple": "ple"}
"""Our adapter for each of the peer's models."""
ALIKE_HEAD = "{threshold: 3, head: mlp, history: none, dropout: 0, activation: relu}"
ALIKE = [f"scenario.video.tasks=[{{name: click, options: {ALIKE_HEAD}}}]", "trainer.clip=0"]
"""Ours without what the peer's models do not compute: units that are left out, GELU, the norm of gradients."""
BATCH, PASSES = 4096, 3  # how often the peer goes through the rows while ours does once
PROTOCOL = "MovieLens-1M by age, fields of width 16, batches of 4,096 rows, one thread, processor seconds"


@dataclass
class Comparison:
    """Three trainings of one model, with one value per turn.

    Args:
        title: of the rows.
        model: the peer's model.
        adapter: our adapter in its place.
        overrides: further settings of ours.
        sizes: parameters outside of tables, ours and the peer's.
        mine: our seconds per row.
        alone: those of the peer's model and optimizer.
        arrays: those of the peer as shipped, over arrays.
        frame: the same over a data frame.
        curve: the peer's steps so far and mean AUC of the domains on validation rows.
    """

    title: str
    model: str
    adapter: str
    overrides: Sequence[str] = ()
    sizes: tuple[int, int] = (0, 0)
    mine: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    arrays: list[float] = field(default_factory=list)
    frame: list[float] = field(default_factory=list)
    curve: list[tuple[int, float]] = field(default_factory=list)


def measure(quick: bool) -> Rows:
    """The rows of ``results/peers_rechub.json``."""
    rows = Rows("rechub", PROTOCOL)
    steps, turns = (78, 3) if quick else (780, 12)
    found = [Comparison(model, model, adapter) for model, adapter in OURS.items()]
    found.append(Comparison("shared bottom, ReLU without dropout", "shared bottom", "none", ALIKE))
    for one in found:
        try:
            train_both(rows, one, steps, steps // turns)
        except NotInstalled as error:
            rows.missing(one.title, RECHUB.name, str(error))
    return rows


def train_both(rows: Rows, found: Comparison, steps: int, every: int) -> None:
    """Train ours and the peer's, so many steps each in turn."""
    engine = Engine(
        [
            *("experiment=ml1m_domains", f"adapter={found.adapter}", f"trainer.steps={steps}"),
            *(f"trainer.eval_every={every}", "trainer.patience=0", *found.overrides),
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "rows.npz", columns(engine.loaded))
        size = engine.trained_parameters()[1]
        with Peer(RECHUB, "rechub_side", path, found.model, size) as peer:
            found.sizes = size, peer.ask("describe")["parameters"]
            for what in ("alone", "shipped", "frame"):
                peer.ask(what, batches=1)  # first times are slow

            def turn(step: int, seconds: float) -> None:
                found.mine.append(seconds / engine.config.trainer.batch_rows)
                for what, batches, per_row in (
                    ("alone", PASSES * every, found.alone),
                    ("shipped", 8, found.arrays),
                    ("frame", 1, found.frame),
                ):
                    did = peer.ask(what, batches=batches)
                    per_row.append(did["seconds"] / did["rows"])
                found.curve.append((PASSES * step, peer.ask("validate")["domains"]))

            ours = engine.train(every, turn)
            tested = peer.ask("test")["all"]
    report(rows, found, ours, tested)


def report(rows: Rows, found: Comparison, ours: Trained, tested: float) -> None:
    """Speed, quality, and time to the quality that both reach."""
    model, me = found.title, f"polyscene, adapter {found.adapter}"
    alone, shipped = f"{RECHUB.name}, its model alone", f"{RECHUB.name} as shipped, data in"
    my_curve = [(step, statistics.mean(scores.values())) for step, scores in ours.curve]
    level = common_level(my_curve, found.curve)
    for method, per_row, curve in (
        (me, found.mine, my_curve),
        (alone, found.alone, found.curve),
        (f"{shipped} arrays", found.arrays, found.curve),
        (f"{shipped} a data frame", found.frame, found.curve),
    ):
        rows.add(model, method, "rows per second", [1 / seconds for seconds in per_row])
        if method != me:
            times = [its / mine for mine, its in zip(found.mine, per_row, strict=True)]
            rows.add(model, method, "our speed in terms of its", times)
        per_step = statistics.median(per_row) * BATCH
        rows.add(model, method, "seconds to the AUC that both reach", seconds_to(level, curve, per_step))
    for method, auc, size in ((me, ours.value("auc"), found.sizes[0]), (alone, tested, found.sizes[1])):
        rows.add(model, method, "test AUC, all rows", auc)
        rows.add(model, method, "parameters outside tables", size)
