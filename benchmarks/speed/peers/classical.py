"""implicit's and LensKit's ALS and item-kNN beside our item-kNN and EASE, on MovieLens-1M.

Same rows: all but the last film of each viewer are learned from, and the last is to be found. Each model is
fitted, then asked for ten films for each of 6,040 viewers, seen ones left out; ours are asked through the
evaluator, which also finds the place of the film that was watched. A turn is every model once, on one thread. The
peers have their defaults, but 100 neighbors everywhere. Times are processor seconds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.speed.peers.engine import Engine
from benchmarks.speed.peers.environments import IMPLICIT, LENSKIT, NotInstalled
from benchmarks.speed.peers.peer import Peer, save
from benchmarks.speed.peers.recbole import OVERRIDES
from benchmarks.speed.peers.rows import Rows
from polyscene.data.phases import BEFORE_TEST, Phase
from polyscene.evaluation import metrics
from polyscene.evaluation.baselines import Baseline
from polyscene.evaluation.baselines.ease import Ease, EaseConfig
from polyscene.evaluation.baselines.item_knn import ItemKnn, ItemKnnConfig
from polyscene.evaluation.evaluator import baseline_scorer, rank_requests
from polyscene.evaluation.requests import POPULATIONS
from polyscene.evaluation.subject import Subject

PROTOCOL = "MovieLens-1M, the last film of each viewer, 10 of all films for each, one thread, processor seconds"
TURNS, NEIGHBORS, TOP = 9, 100, 10
PEERS = {"implicit_side": IMPLICIT, "lenskit_side": LENSKIT}
OURS: dict[str, Callable[[], Baseline]] = {
    "item_knn": lambda: ItemKnn(ItemKnnConfig(neighbors=NEIGHBORS)),
    "ease": lambda: Ease(EaseConfig()),
}

Timed = tuple[float, float, float]
"""Seconds to fit, seconds to recommend, NDCG@10."""


def measure(quick: bool) -> Rows:
    """The rows of ``results/peers_classical.json``."""
    rows = Rows("classical", PROTOCOL)
    engine = Engine(OVERRIDES)
    subject = engine.prepared.subjects["video"]
    found: dict[tuple[str, str], list[Timed]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as peers:
        path = save(Path(folder) / "rows.npz", arrays(subject))
        working = []
        for worker, requirements in PEERS.items():
            try:
                working.append(peers.enter_context(Peer(requirements, worker, path, NEIGHBORS)))
            except NotInstalled as error:
                rows.missing("all", requirements.name, str(error))
        for _ in range(2 if quick else TURNS):
            for method, build in OURS.items():
                found.setdefault((method, "polyscene"), []).append(ours(build(), subject))
            for peer in working:
                for method in ("item_knn", "als"):
                    found.setdefault((method, peer.name), []).append(its(peer, method))
    report(rows, found)
    return rows


def ours(baseline: Baseline, subject: Subject) -> Timed:
    """One of ours, fitted and asked."""
    started = time.process_time()
    baseline.fit(subject.events, None, BEFORE_TEST)
    fitted = time.process_time()
    population = POPULATIONS[0]
    scorer = baseline_scorer(baseline, subject, population)
    ranking = rank_requests(subject, population, subject.scenario.views[0], scorer)
    done = time.process_time()
    assert ranking is not None
    return fitted - started, done - fitted, metrics.summarize(metrics.ndcg(ranking, TOP)).mean


def its(peer: Peer, method: str) -> Timed:
    """One of a peer's, fitted and asked."""
    fitted, asked = peer.ask("fit", method=method), peer.ask("recommend", top=TOP)
    return fitted["seconds"], asked["seconds"], asked["ndcg"]


def report(rows: Rows, found: dict[tuple[str, str], list[Timed]]) -> None:
    """Seconds and quality; ratios where both have the model, turn by turn."""
    for (method, whose), turns in found.items():
        fit, recommend, ndcg = (list(values) for values in zip(*turns, strict=True))
        rows.add(method, whose, "seconds to fit", fit)
        rows.add(method, whose, "seconds to recommend", recommend)
        rows.add(method, whose, "NDCG@10", ndcg[-1])
        mine = found.get((method, "polyscene"), [])
        if mine and whose != "polyscene":
            for place, what in enumerate(("fit", "recommend")):
                times = [b[place] / a[place] for a, b in zip(mine, turns, strict=True)]
                rows.add(method, whose, f"our speed to {what} in terms of its", times)


def arrays(subject: Subject) -> dict[str, np.ndarray]:
    """The rows to learn from, and each user's film to find."""
    user, row = subject.events.rows(BEFORE_TEST)
    asked, last = subject.events.rows([Phase.TEST])
    item = subject.events.item_R.numpy()
    target = np.full(subject.events.n_users, -1)
    target[asked] = item[last]
    return {"user": user, "item": item[row], "target": target}
