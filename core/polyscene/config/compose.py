"""Composing a training config from files and overrides, and checking it whole before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict

from polyscene.config.folder import conf_dir
from polyscene.config.overrides import CANNOT_COMPOSE, Overrides, check_overrides, composing_problem
from polyscene.config.resolve import check_train
from polyscene.config.schema import TrainConfig
from polyscene.config.search_path import install
from polyscene.config.validate import REPORTED
from polyscene.errors import ConfigError, Problems
from polyscene.registry.host import Host


def compose(name: str, overrides: Iterable[str], host: Host) -> dict[str, Any]:
    """The composed config as plain nested values, not yet checked against the dataclasses.

    Args:
        name: the primary config, such as ``train``.
        overrides: Hydra overrides without sweeps; options that no file lists need no ``+``.
        host: whose plugins' config folders are searched.

    Raises:
        ConfigError: overrides that cannot be applied, all of them in one message.
    """
    problems = Problems("config")
    with composer(host):
        checked = check_overrides(name, overrides, host, problems)
        problems.raise_if_any(ConfigError)
        return first_values(name, checked)


def prepare_train(overrides: Iterable[str], host: Host, *, sweep: bool = False) -> tuple[Overrides, TrainConfig]:
    """Check a whole command line of ``polyscene train``, every job of a sweep included.

    Args:
        overrides: what was typed.
        host: the plugins.
        sweep: whether keys may have several values.

    Returns:
        Overrides that Hydra accepts, and the config that their first choices give.

    Raises:
        ConfigError: everything that is wrong, in overrides and in values, in one message.
    """
    problems = Problems("config")
    with composer(host):
        checked = check_overrides("train", overrides, host, problems, sweep=sweep)
        config = check_train(first_values("train", checked), host, problems, TrainConfig)
        for lines in checked.other_jobs():
            found = Problems("config")
            check_train(_refused(composed("train", lines), checked), host, found, TrainConfig)
            problems.found += [line for line in found.found if line not in problems.found]
    problems.raise_if_any(ConfigError)
    assert config is not None
    return checked, config


@contextmanager
def composer(host: Host) -> Iterator[None]:
    """Hydra, initialized with the config folders of a host's plugins."""
    install(host)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield


def composed(name: str, overrides: list[str]) -> dict[str, Any]:
    """The plain values of a config, inside :func:`composer`; the overrides must have been checked.

    Raises:
        ConfigError: a file of a plugin is malformed, or a value refers to one that does not exist.
    """
    try:
        return _plain(hydra_compose(name, overrides))
    except CANNOT_COMPOSE as error:
        raise _cannot(name, overrides, error) from None


def first_values(name: str, checked: Overrides) -> dict[str, Any]:
    """The plain values of the config that checked overrides give with their first choices.

    Where a choice of scenarios was refused, those that the files name instead are not complained about.

    Raises:
        ConfigError: a value refers to one that does not exist.
    """
    config = checked.first.copy()
    with open_dict(config):
        del config["hydra"]
    try:
        return _refused(_plain(config), checked)
    except CANNOT_COMPOSE as error:
        raise _cannot(name, checked.single(), error) from None


def _plain(config: DictConfig) -> dict[str, Any]:
    mapping: Any = OmegaConf.to_container(config, resolve=True)
    return mapping


def _refused(values: dict[str, Any], checked: Overrides) -> dict[str, Any]:
    return values | ({"scenario": REPORTED} if "scenario" in checked.refused else {})


def _cannot(name: str, overrides: list[str], error: Exception) -> ConfigError:
    return ConfigError(composing_problem(error), where=f"{name}.yaml {' '.join(overrides)}".strip())
