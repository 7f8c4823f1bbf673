"""A plugin with two small scenarios of likes and dislikes, whose items have titles of a few letters."""

from __future__ import annotations

import functools
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric

from polyscene import Category, Id, Scenario, Tables, Tags, TaskSpec, Text, hookimpl
from polyscene.backbone import BackboneConfig
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.model import PolysceneModel
from polyscene.registry.discovery import GROUP, Candidate
from polyscene.registry.host import Host, load_host
from polyscene.training.assembly import build_model
from polyscene.training.fit import Fitting, Progress
from polyscene.training.loading import Loaded
from polyscene.training.session import Session, prepare_torch
from tests.tiny import SMALL

POLYSCENE_API = "1.0"
USERS, ITEMS, ROWS = 10, 12, 120
TEMPLATE = "{age} + {liked} - {disliked} [ITEM] {title} {tags}"
FILMS, BOOKS = "films", "books"


def load(config: Any, data: Any) -> Tables:
    """People who like items of their own parity, mostly; the books are those of other people."""
    rng = np.random.default_rng(3)
    user, item = rng.integers(USERS, size=ROWS), rng.integers(ITEMS, size=ROWS)
    liked = rng.random(ROWS) < np.where(user % 2 == item % 2, 0.9, 0.2)
    return Tables(
        users=pd.DataFrame({"user_id": [f"u{n}" for n in range(USERS)], "age": np.arange(USERS) % 3 * 10}),
        items=pd.DataFrame(
            {
                "item_id": [f"i{n:02}" for n in range(ITEMS)],
                "title": [f"{'ab'[n % 2]}{n}" for n in range(ITEMS)],
                "tags": ["even|low" if n % 4 == 0 else "odd" for n in range(ITEMS)],
            }
        ),
        interactions=pd.DataFrame(
            {
                "user_id": [f"u{n}" for n in user],
                "item_id": [f"i{n:02}" for n in item],
                "stars": np.where(liked, 4.0, 2.0).astype(np.float32),
                "timestamp": 1_600_000_000 + np.arange(ROWS),
            }
        ),
        value="stars",
        sources=("GENERATED likes",),
    )


SCENARIOS = [
    Scenario(
        name,
        load,
        item_columns=(Text("title"), Tags("tags"), Id()),
        user_columns=(Category("age"), Id()),
        tasks=(TaskSpec("ranking"),),
    )
    for name in (FILMS, BOOKS)
]


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return SCENARIOS


@functools.cache
def pair_host() -> Host:
    """A host with the plugin of this module and nothing else."""
    entry = metadata.EntryPoint("pairs", "tests.pair_plugin", GROUP)
    host = load_host(candidates=[Candidate("pairs", entry, "polyscene-pairs", "0.1.0")])
    assert set(host.scenarios) == {FILMS, BOOKS}, [record.reason for record in host.records]
    return host


def cross(**options: Any) -> dict[str, Any]:
    """A scenario's options that choose the cross task."""
    return {"tasks": [{"name": "cross", "options": {"threshold": 3.0, "template": TEMPLATE, **options}}]}


def pair_session(
    model: Path, cache: Path, *overrides: str, backbone: dict[str, Any] | None = None, **scenarios: dict[str, Any]
) -> Session:
    """A session on a small backbone, not yet loaded."""
    mapping = compose("train", ["experiment=none", "scenario=[]", *SMALL, *overrides], pair_host())
    mapping["scenario"] = scenarios or {FILMS: cross()}
    mapping["run"] = {"dir": ""}
    config = resolve_train(mapping, pair_host())
    config.data.cache = str(cache)
    options = {"model": str(model), "dtype": "float32", "max_len": 48, "suffix_layers": 1, **(backbone or {})}
    config.backbone = BackboneConfig(**options)
    prepare_torch(config)
    return Session(config, pair_host(), torch.device("cpu"), say=lambda _: None)


def fitted(session: Session, folder: Path) -> tuple[PolysceneModel, Loaded]:
    """The trained model of a session."""
    loaded = session.load()
    model, learned = build_model(session, loaded)
    Fitting(
        model,
        learned,
        session.config,
        loaded.scenarios,
        {name: session.subject(name, one) for name, one in loaded.scenarios.items()},
        Fabric(accelerator="cpu", devices=1),
        folder,
        Progress(),
        session.config.trainer.batch_rows,
    ).run()
    return model.eval(), loaded
