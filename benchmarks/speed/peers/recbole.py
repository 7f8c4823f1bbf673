"""RecBole's SASRec and our causal transformer on MovieLens-1M: what a viewer watches next.

Same sequences (leave-one-out in time, the last 50 films), ids alone, width 64, two layers, two heads, inner width
256, softmax over all films, one thread. They take turns of about the same processor seconds: the engine as
``polyscene train`` makes it, the peer by its own trainer on its own loader, with the batches, dropout and learning
rate that it ships. A row is one film to predict: the peer reads a history anew for each of its films, ours
predicts all of them in one pass. NDCG@10 is over all viewers and films, history left out; validation takes no time
here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.speed.peers.engine import Engine
from benchmarks.speed.peers.environments import RECBOLE, NotInstalled
from benchmarks.speed.peers.levels import common_level, seconds_to
from benchmarks.speed.peers.peer import Peer, save
from benchmarks.speed.peers.rows import Rows
from polyscene.data.phases import Phase
from polyscene.training.loading import LoadedScenario

PROTOCOL = "MovieLens-1M, leave-one-out, ids alone, width 64, two layers, one thread, processor seconds"
SCENARIO, TURNS, OUR_STEPS, ITS_BATCHES = "SASRec", 9, 40, 3
BATCH = 6400
OVERRIDES = (
    *("scenario=[video]", "experiment=none", "adapter=none", "model.priors=false", "model.d_model=64"),
    *(
        "scenario.video.split.cold_items=0",
        "scenario.video.tasks=[{name: ranking}]",
        "scenario.video.max_history=50",
    ),
    "scenario.video.columns={users: {}, items: {id: id}, events: {}}",
    *("sequence.expansion=4", "sequence.dropout=0.2", f"trainer.batch_rows={BATCH}", "trainer.lr=0.003"),
)


def measure(quick: bool) -> Rows:
    """The rows of ``results/peers_recbole.json``."""
    rows = Rows("recbole", PROTOCOL)
    steps, batches = (4, 1) if quick else (OUR_STEPS, ITS_BATCHES)
    try:
        train_both(rows, steps, batches, 2 if quick else TURNS)
    except NotInstalled as error:
        rows.missing(SCENARIO, RECBOLE.name, str(error))
    return rows


def train_both(rows: Rows, steps: int, batches: int, turns: int) -> None:
    """Train ours and the peer's in turns of so many steps and batches."""
    total = f"trainer.steps={steps * turns}"
    engine = Engine([*OVERRIDES, total, f"trainer.eval_every={steps * turns}"])
    per_row: dict[str, list[float]] = {"ours": [], "its": []}
    curves: dict[str, list[tuple[int, float]]] = {"ours": [], "its": []}
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "sequences.npz", sequences(engine.loaded["video"]))
        with Peer(RECBOLE, "recbole_side", path, folder) as peer:
            peer.ask("train", batches=1)  # the first time is slow

            def turn(step: int, seconds: float) -> None:
                per_row["ours"].append(seconds / BATCH)
                curves["ours"].append((step * BATCH, engine.validation()["video"]))
                did = peer.ask("train", batches=batches)
                per_row["its"].append(did["seconds"] / did["rows"])
                seen = curves["its"][-1][0] if curves["its"] else 0
                curves["its"].append((seen + did["rows"], peer.ask("ndcg", last=2)["ndcg"]))

            ours = engine.train(steps, turn)
            tested = {"ours": ours.value("ndcg@10"), "its": peer.ask("ndcg", last=1)["ndcg"]}
            sizes = {"ours": sum(engine.trained_parameters()), "its": peer.ask("describe")["parameters"]}
    report(rows, per_row, curves, tested, sizes)


def report(
    rows: Rows,
    per_row: Mapping[str, list[float]],
    curves: Mapping[str, list[tuple[int, float]]],
    tested: Mapping[str, float],
    sizes: Mapping[str, int],
) -> None:
    """Speed, what was reached in the time, and the time to what both reached; curves are by rows."""
    level = common_level(*curves.values())
    for side, method in (("ours", "polyscene, causal transformer"), ("its", f"{RECBOLE.name} as shipped")):
        seconds = float(np.median(per_row[side]))
        rows.add(SCENARIO, method, "rows per second", [1 / one for one in per_row[side]])
        rows.add(SCENARIO, method, "seconds of training", curves[side][-1][0] * seconds)
        rows.add(SCENARIO, method, "test NDCG@10 after them", tested[side])
        rows.add(
            SCENARIO,
            method,
            "seconds to the validation NDCG@10 that both reach",
            seconds_to(level, curves[side], seconds),
        )
        rows.add(SCENARIO, method, "parameters", sizes[side])
    times = [its / mine for mine, its in zip(per_row["ours"], per_row["its"], strict=True)]
    rows.add(SCENARIO, f"{RECBOLE.name} as shipped", "our speed in terms of its", times)


def sequences(one: LoadedScenario) -> dict[str, np.ndarray]:
    """User, item and place of every row, a user's rows in their order."""
    user, row = one.events.rows(list(Phase))
    place = np.arange(len(user)) - np.searchsorted(user, user)
    return {"user": user, "item": one.events.item_R.numpy()[row], "place": place}
