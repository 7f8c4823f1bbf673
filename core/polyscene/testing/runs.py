"""A host with one plugin, and short runs of its scenarios: what a stranger's ``polyscene train`` would do."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import TrainConfig
from polyscene.registry.discovery import GROUP, Candidate, find_candidates
from polyscene.registry.host import Host, load_host

# Enough steps for the two evaluations that a checkpoint and a curve need.
SHORT = (
    "experiment=none",
    "trainer=smoke",
    "trainer.steps=4",
    "trainer.eval_every=2",
    "trainer.warmup=1",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "model.d_model=16",
)


def host_of(*plugins: ModuleType) -> Host:
    """A host with these plugins and no other, installed or not; each set of plugins is loaded once."""
    return _host_of(*(plugin.__name__ for plugin in plugins))


@functools.cache
def _host_of(*modules: str) -> Host:
    candidates = [candidate_of(module) for module in modules]
    return load_host([candidate.name for candidate in candidates], candidates=candidates)


def short_config(
    host: Host, scenarios: Mapping[str, Mapping[str, Any]], *overrides: str, run: Path | str = "", **groups: Any
) -> TrainConfig:
    """The config of a training of a few steps on the CPU, checked as that of ``polyscene train`` is.

    Args:
        host: the plugins.
        scenarios: the options of each scenario by name, as ``scenario.NAME.OPTION=VALUE`` would set them.
        overrides: further ones, as on the command line.
        run: the run's folder.
        groups: what stands under a key of the config instead, as ``balancer={"name": "mean"}``.
    """
    mapping = compose("train", [f"scenario=[{','.join(scenarios)}]", *SHORT, *overrides], host)
    for name, options in scenarios.items():
        mapping["scenario"][name] = {**(mapping["scenario"].get(name) or {}), **options}
    mapping["run"]["dir"] = str(run)
    return resolve_train(mapping | groups, host)


def candidate_of(name: str) -> Candidate:
    """The installed entry point that names a module, or what would be one."""
    for candidate in find_candidates():
        if candidate.entry_point.value == name:
            return candidate
    short = name.rpartition(".")[2].removeprefix("polyscene_")
    return Candidate(short, metadata.EntryPoint(short, name, GROUP), name.replace("_", "-"), "not installed")
