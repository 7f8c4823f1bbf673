"""A plugin with 500 alike generated scenarios, for timings at any number and size of scenarios."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from typing import Any

from polyscene import Category, Id, Number, Scenario, ScenarioConfig, Tables, TaskSpec, generate, hookimpl
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import TrainConfig
from polyscene.registry.discovery import GROUP, Candidate
from polyscene.registry.host import Host, load_host

POLYSCENE_API = "1.0"
NAMES = tuple(f"generated{k:03}" for k in range(500))


@dataclass
class ManyConfig(ScenarioConfig):
    """Sizes; histories are short, so that a batch holds several users of every scenario."""

    max_history: int = 16
    users: int = 200
    items: int = 300
    interactions: int = 4_000


def load(config: ManyConfig, data: Any, *, seed: int) -> Tables:
    """Interactions of users with items, other ones in every scenario."""
    tables = generate(config.users, config.items, config.interactions, seed=seed, clusters=4)
    return replace(tables, links=None, facts=None)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    """Every scenario with items of its own, described by id, category and number."""
    return [
        Scenario(
            name,
            partial(load, seed=k),
            item_columns=(Category("group"), Number("price"), Id()),
            user_columns=(Id(),),
            tasks=(TaskSpec("ranking"),),
            config=ManyConfig,
        )
        for k, name in enumerate(NAMES)
    ]


def host() -> Host:
    """A host with this plugin and nothing else."""
    entry = metadata.EntryPoint("many", __name__, GROUP)
    return load_host(candidates=[Candidate("many", entry, "polyscene-many", "0.1.0")])


def config_of(host: Host, count: int, *overrides: str, **sizes: int) -> TrainConfig:
    """The default config with the first scenarios, on one thread.

    Args:
        host: of :func:`host`.
        count: how many scenarios.
        overrides: as on the command line.
        sizes: options of :class:`ManyConfig`, the same in all.
    """
    small = ["experiment=none", "scenario=[]", "trainer.threads=1", "trainer.accelerator=cpu", *overrides]
    mapping = compose("train", small, host)
    mapping["scenario"] = {name: dict(sizes) for name in NAMES[:count]}
    return resolve_train(mapping, host)
