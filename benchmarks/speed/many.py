"""A plugin with fifty alike generated scenarios, for timings at any number of scenarios."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from typing import Any

from polyscene import Category, Id, Number, Scenario, ScenarioConfig, Tables, TaskSpec, generate, hookimpl
from polyscene.registry.discovery import GROUP, Candidate
from polyscene.registry.host import Host, load_host

POLYSCENE_API = "1.0"
NAMES = tuple(f"generated{k:02}" for k in range(50))


@dataclass
class ManyConfig(ScenarioConfig):
    """Short histories, so that a batch holds several users of every scenario."""

    max_history: int = 16


def load(config: ManyConfig, data: Any, *, seed: int) -> Tables:
    """Interactions of 200 users with 300 items, other ones in every scenario."""
    tables = generate(users=200, items=300, interactions=4_000, seed=seed, clusters=4)
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
