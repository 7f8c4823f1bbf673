"""What ``polyscene data`` does."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.console import Console

from polyscene.config.arguments import from_arguments
from polyscene.config.choice import chosen
from polyscene.config.compose import compose
from polyscene.config.datasets import declared_datasets
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import DataConfig, TrainConfig
from polyscene.data.access import DataAccess
from polyscene.data.datasets import DataSet
from polyscene.data.describe import describe_tables, list_datasets, render_datasets, render_description
from polyscene.data.tables import Tables
from polyscene.errors import ConfigError, did_you_mean
from polyscene.registry.host import Host, load_host


@dataclass
class _Arguments:
    data: DataConfig = field(default_factory=DataConfig)


def show_list(arguments: Sequence[str], *, as_json: bool) -> None:
    """``polyscene data list``."""
    datasets = declared_datasets(load_host())
    rows = list_datasets(datasets, _access(_data_config(arguments), datasets))
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        Console().print(render_datasets(rows))


def prepare_all(words: Sequence[str]) -> None:
    """``polyscene data prepare``: names of data sets or scenarios, and ``data.`` options."""
    host = load_host()
    names = [word for word in words if "=" not in word]
    options = [word for word in words if "=" in word]
    datasets = declared_datasets(host)
    access = _access(_data_config(options), datasets)
    if not names:
        raise ConfigError("nothing is named", where="polyscene data prepare", fix=did_you_mean("", datasets))
    for name in names:
        _check_name(name, datasets, host)
    for name in names:
        if name in datasets:
            click.echo(f"{name}: {access.origin(name)}: {access.path(name)}")
        else:
            tables = _tables(name, _config(name, options, host), host)
            for line in (f"{len(tables.interactions):,} interactions", *tables.sources):
                click.echo(f"{name}: {line}")


def show_description(name: str, overrides: Sequence[str], *, as_json: bool) -> None:
    """``polyscene data describe``."""
    host = load_host()
    datasets = declared_datasets(host)
    _check_name(name, datasets, host)
    if name in host.scenarios:
        config = _config(name, overrides, host)
        tables = _tables(name, config, host)
        split = chosen("split", config.scenario[name].split, host, where=f"scenario.{name}.split").build()
        described = describe_tables(name, tables, split.split(tables))
        if as_json:
            click.echo(json.dumps(described, indent=2))
        else:
            Console().print(render_description(described))
        return
    access = _access(_data_config(overrides), datasets)
    facts = {"status": access.status(name), **dataclasses.asdict(datasets[name])}
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        if value:
            click.echo(f"{key:<13} {', '.join(value) if isinstance(value, tuple) else value}")


def _check_name(name: str, datasets: dict[str, DataSet], host: Host) -> None:
    if name not in datasets and name not in host.scenarios:
        # A scenario of a broken plugin is answered with the plugin's reason.
        blamed = any(name in record.scenarios for record in host.records)
        if blamed:
            host.scenario(name)
        known = [*datasets, *host.scenarios]
        raise ConfigError(f"there is no data set or scenario called '{name}'", fix=did_you_mean(name, known))


def _config(name: str, overrides: Sequence[str], host: Host) -> TrainConfig:
    return resolve_train(compose("train", [f"scenario=[{name}]", *overrides], host), host)


def _tables(name: str, config: TrainConfig, host: Host) -> Tables:
    return host.scenarios[name].load(config.scenario[name], _access(config.data, config.dataset))


def _data_config(arguments: Sequence[str]) -> DataConfig:
    return from_arguments(
        _Arguments, arguments, where="polyscene data", example="polyscene data list data.root=FOLDER"
    ).data


def _access(config: DataConfig, datasets: dict[str, DataSet]) -> DataAccess:
    root = Path(config.root) if config.root else None
    cache = Path(config.cache) if config.cache else None
    return DataAccess(root, cache, offline=config.offline, datasets=datasets, progress=True)
