"""Tiny scenarios divided into domains: clicks by the age of viewers, and purchases by the group of items."""

from __future__ import annotations

import functools
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from polyscene import Category, Id, Number, Scenario, Tables, TaskSpec, hookimpl
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import TrainConfig
from polyscene.model import PolysceneModel
from polyscene.registry.discovery import GROUP, Candidate
from polyscene.registry.host import Host, load_host
from polyscene.training.assembly import build_model
from polyscene.training.loading import Loaded
from polyscene.training.session import Session, prepare_torch
from tests.tiny import SMALL

POLYSCENE_API = "1.0"
USERS, ITEMS, ROWS = 40, 24, 1500


def load(config: Any, data: Any) -> Tables:
    """People of three ages, shown items of two groups at random; like follows like, the older the less."""
    rng = np.random.default_rng(11)
    user, item = rng.integers(USERS, size=ROWS), rng.integers(ITEMS, size=ROWS)
    same = user % 2 == item % 2
    chance = np.where(same, 0.9, 0.2) - 0.1 * (user % 3 == 2)
    return Tables(
        users=pd.DataFrame({"user_id": [f"u{n:02}" for n in range(USERS)], "age": np.arange(USERS) % 3 * 10}),
        items=pd.DataFrame(
            {
                "item_id": [f"i{n:02}" for n in range(ITEMS)],
                "group": np.array(["Dry Goods", "MEAT", "other"])[np.arange(ITEMS) % 3],
            }
        ),
        interactions=pd.DataFrame(
            {
                "user_id": [f"u{n:02}" for n in user],
                "item_id": [f"i{n:02}" for n in item],
                "clicked": (rng.random(ROWS) < chance).astype(np.float32),
                "timestamp": 1_600_000_000 + np.arange(ROWS),
                "split": rng.choice(["train", "valid", "test"], p=[0.8, 0.1, 0.1], size=ROWS),
            }
        ),
        value="clicked",
        sources=("GENERATED clicks of three ages",),
    )


SCENARIOS = [
    Scenario(
        "shown",
        load,
        item_columns=(Category("group"), Id()),
        user_columns=(Category("age"), Id()),
        tasks=(TaskSpec("click", options={"head": "mlp", "history": "none", "hidden": 8, "dropout": 0.0}),),
    ),
    Scenario(
        "bought",
        load,
        item_columns=(Category("group"), Id()),
        user_columns=(Id(),),
        event_columns=(Number("clicked"),),
        tasks=(TaskSpec("ranking"),),
    ),
]
AGES = {"column": "age", "values": {"young": [0], "older": [10, 20]}}
GROUPS = {"column": "group"}
GIVEN = {"name": "given"}


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return SCENARIOS


@functools.cache
def domain_host() -> Host:
    """A host with the plugin of this module and nothing else."""
    entry = metadata.EntryPoint("domains", "tests.domains", GROUP)
    host = load_host(candidates=[Candidate("domains", entry, "polyscene-domains", "0.1.0")])
    assert set(host.scenarios) == {"shown", "bought"}, [record.reason for record in host.records]
    return host


def domain_config(run: Path | str = "", *overrides: str, **scenarios: dict[str, Any]) -> TrainConfig:
    """The default config, made small, with these scenarios and their options."""
    mapping = compose("train", ["experiment=none", "scenario=[]", *SMALL, *overrides], domain_host())
    mapping["scenario"] = {name: {"split": GIVEN, "max_history": 5, **own} for name, own in scenarios.items()}
    mapping["run"] = {"dir": str(run)}
    return resolve_train(mapping, domain_host())


def domain_model(*overrides: str, **scenarios: dict[str, Any]) -> tuple[PolysceneModel, Loaded, Session]:
    """A fresh model of these scenarios, its data, and the session that made it."""
    config = domain_config("", *overrides, **scenarios)
    prepare_torch(config)
    session = Session(config, domain_host(), torch.device("cpu"), say=lambda _: None)
    loaded = session.load()
    return build_model(session, loaded)[0], loaded, session
