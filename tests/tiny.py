"""The tiny host: five generated scenarios, configs for them, loaded data and models, all in seconds."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import TrainConfig
from polyscene.model import PolysceneModel
from polyscene.registry.discovery import GROUP, Candidate
from polyscene.registry.host import Host, load_host
from polyscene.training.assembly import build_model
from polyscene.training.fit import Fitting, Progress
from polyscene.training.loading import Loaded
from polyscene.training.session import Session, prepare_torch

SHOP, PEOPLE, LIKES, FACTS, ADS = "shop", "people", "likes", "facts", "ads"
THREE = (SHOP, PEOPLE, FACTS)
ALL = (SHOP, PEOPLE, LIKES, FACTS, ADS)


@functools.cache
def tiny_host() -> Host:
    """A host with :mod:`tests.tiny_plugin` and nothing else."""
    entry = metadata.EntryPoint("tiny", "tests.tiny_plugin", GROUP)
    host = load_host(candidates=[Candidate("tiny", entry, "polyscene-tiny", "0.1.0")])
    assert set(host.scenarios) == set(ALL), [record.reason for record in host.records]
    return host


def tiny_config(
    run: Path | str = "", scenarios: Iterable[str] = THREE, *overrides: str, **options: dict[str, Any]
) -> TrainConfig:
    """The default config, made small: 20 steps of the scenarios on one CPU thread.

    Args:
        run: the run directory.
        scenarios: which scenarios.
        overrides: as on the command line.
        options: options of scenarios by name.
    """
    host = tiny_host()
    mapping = compose("train", ["experiment=none", "scenario=[]", *SMALL, *overrides], host)
    mapping["scenario"] = {name: options.get(name, {}) for name in scenarios}
    mapping["run"] = {"dir": str(run)}
    return resolve_train(mapping, host)


SMALL = [
    "trainer.steps=20",
    "trainer.batch_rows=192",
    "trainer.warmup=4",
    "trainer.eval_every=5",
    "trainer.lr=0.01",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "model.d_model=16",
]


def tiny_session(config: TrainConfig) -> Session:
    """A session on the CPU that says nothing."""
    prepare_torch(config)
    return Session(config, tiny_host(), torch.device("cpu"), say=lambda _: None)


def tiny_model(
    scenarios: Iterable[str] = THREE, *overrides: str, seed: int = 0
) -> tuple[PolysceneModel, Loaded, TrainConfig]:
    """A fresh model, its data and its config."""
    config = tiny_config("", scenarios, f"seed={seed}", *overrides)
    session = tiny_session(config)
    loaded = session.load()
    return build_model(session, loaded)[0], loaded, config


def tiny_fitting(config: TrainConfig, folder: Path, progress: Progress | None = None) -> Fitting:
    """The training of one model on all scenarios of a config, not yet begun."""
    session = tiny_session(config)
    loaded = session.load()
    model, learned = build_model(session, loaded)
    return Fitting(
        model,
        learned,
        config,
        loaded.scenarios,
        {name: session.subject(name, one) for name, one in loaded.scenarios.items()},
        Fabric(accelerator="cpu", devices=1),
        folder,
        progress or Progress(),
        config.trainer.batch_rows,
    )
