"""The config of a run that is adapted: that of the trained one with one scenario more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyscene.config.adapt import ALL, AdaptConfig
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import DataConfig, TrainConfig
from polyscene.errors import ConfigError
from polyscene.registry.host import Host


def merged_config(config: AdaptConfig, before: Mapping[str, Any], trained: TrainConfig, host: Host) -> TrainConfig:
    """The trained run's config with the new scenario and its shots.

    Args:
        config: what is added.
        before: the trained run's config as it was written.
        trained: the same, checked.
        host: the plugins.

    Raises:
        ConfigError: the scenario's options are wrong, or divide it into domains.
    """
    name, last = config.name, config.shots[-1]
    longest = max(trained.scenario[one].max_history for one in trained.scenario if one not in trained.adapted)
    merged = resolve_train(
        {
            **before,
            "scenario": {**before["scenario"], name: dict(config.scenario[name])},
            "dataset": {**before.get("dataset", {}), **config.dataset},
            "adapted": [*trained.adapted, name],
            "run": {"root": config.root, "dir": config.into},
        },
        host,
    )
    options = merged.scenario[name]
    if options.domains is not None:
        raise ConfigError(
            "a scenario that is divided into domains cannot be added",
            where=f"scenario.{name}.domains",
            fix="add it whole, or train it together with the others",
        )
    # The trained sequence model has no places for longer histories.
    options.max_history = min(options.max_history, longest)
    options.shots, options.draw = (None if last == ALL else int(last)), config.draws[0]
    merged.data = DataConfig(
        root=config.data.root or trained.data.root,
        cache=config.data.cache or trained.data.cache,
        offline=config.data.offline or trained.data.offline,
    )
    merged.trainer.threads = config.threads or trained.trainer.threads
    return merged
