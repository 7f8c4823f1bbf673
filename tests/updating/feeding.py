"""Feedback that says something new, and what a deployment of the tiny scenarios holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.feedback import Event, Reaction, open_log
from polyscene.registry.host import Host
from polyscene.serving.config import ServeConfig
from polyscene.serving.deployment import Deployment
from polyscene.serving.engine import Answer, Engine, Request
from polyscene.serving.startup import load_engine
from polyscene.training.reporter import Reporter
from polyscene.updating.config import LearnConfig, UpdateConfig
from polyscene.updating.run import Outcome, update
from tests import tiny_plugin
from tests.tiny import LIKES, tiny_host

FIRST = 1_700_000_000.0


def tables() -> Any:
    """The data of ``likes``."""
    return tiny_plugin.load_likes(tiny_plugin.UnorderedConfig(), None)


def new_taste(count: int, *, first: int = 0, seed: int = 0) -> list[Reaction]:
    """In ``likes``, everybody turns to the items of the cluster after their own."""
    likes, rng = tables(), np.random.default_rng(seed)
    cluster_N, cluster_U = likes.items["cluster"].to_numpy(), likes.users["cluster"].to_numpy()
    found = []
    for number in range(first, first + count):
        user = int(rng.integers(len(cluster_U)))
        item = int(rng.choice(np.flatnonzero(cluster_N == (cluster_U[user] + 1) % 4)))
        ids = str(likes.user_ids[user]), str(likes.item_ids[item])
        found.append(Reaction(f"taste-{number}", FIRST + 60 * number, LIKES, *ids, "click"))
    return found


def feed(deployment: Deployment, events: Iterable[Event]) -> None:
    """Put events into the deployment's log."""
    with closing(open_log(str(deployment.folder / "feedback.db"))) as log:
        log.append(list(events))


def options(deployment: Deployment, *, lr: float = 0.02, steps: int = 40, **given: Any) -> UpdateConfig:
    """An update that takes a second."""
    learn = LearnConfig(**{"steps": steps, "lr": lr, **given.pop("learn", {})})
    return UpdateConfig(deployment=str(deployment.folder), device="cpu", learn=learn, **given)


def updated(deployment: Deployment, **given: Any) -> Outcome:
    """The outcome of an update."""
    return update(options(deployment, **given), tiny_host(), Reporter(tiny_host(), speaks=False))


def engine_of(deployment: Deployment, version: str, host: Host | None = None) -> Engine:
    """A version as it is served."""
    config = ServeConfig(deployment=str(deployment.folder), device="cpu", texts=False)
    return load_engine(deployment, version, config, host or tiny_host())[0]


def answered(engine: Engine, requests: Sequence[Request]) -> list[Answer]:
    """The answers to requests of which none is wrong."""
    answers = [one for one in engine.answer(requests) if isinstance(one, Answer)]
    assert len(answers) == len(requests)
    return answers


def everything(folder: Path) -> dict[str, bytes]:
    """All files of a deployment but locks and the log, which readers touch."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock") and not path.name.startswith("feedback.db")
    }
