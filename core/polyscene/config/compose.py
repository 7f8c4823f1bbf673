"""Composing a training config from files and overrides, and checking it whole before anything is done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

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
        return composed(name, checked.lines)


def prepare_train(overrides: Iterable[str], host: Host, *, sweep: bool = False) -> Overrides:
    """Check a whole command line of ``polyscene train``, every job of a sweep included.

    Args:
        overrides: what was typed.
        host: the plugins.
        sweep: whether keys may have several values.

    Returns:
        Overrides that Hydra accepts.

    Raises:
        ConfigError: everything that is wrong, in overrides and in values, in one message.
    """
    problems = Problems("config")
    with composer(host):
        checked = check_overrides("train", overrides, host, problems, sweep=sweep)
        for lines in checked.jobs_to_check():
            found = Problems("config")
            check_train(composed("train", lines, checked.refused), host, found, TrainConfig)
            problems.found += [line for line in found.found if line not in problems.found]
    problems.raise_if_any(ConfigError)
    return checked


@contextmanager
def composer(host: Host) -> Iterator[None]:
    """Hydra, initialized with the config folders of a host's plugins."""
    install(host)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield


def composed(name: str, overrides: list[str], refused: Collection[str] = ()) -> dict[str, Any]:
    """The plain values of a config, inside :func:`composer`; the overrides must have been checked.

    Where a choice of scenarios was refused, those that the files name instead are not complained about.
    """
    try:
        mapping: Any = OmegaConf.to_container(hydra_compose(name, overrides), resolve=True)
    except CANNOT_COMPOSE as error:
        # What is left here is a malformed file of a plugin or a reference to a value that does not exist.
        raise ConfigError(composing_problem(error), where=f"{name}.yaml {' '.join(overrides)}".strip()) from None
    return mapping | ({"scenario": REPORTED} if "scenario" in refused else {})
