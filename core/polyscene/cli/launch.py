"""Starts training through Hydra: one job, or one for each combination of a multirun."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from polyscene.cli.outcomes import Outcome, print_summary, read_outcomes, write_outcome
from polyscene.config.compose import compose, prepare_train
from polyscene.config.folder import conf_dir
from polyscene.config.overrides import Overrides
from polyscene.config.resolve import resolve_train
from polyscene.errors import ConfigError
from polyscene.registry.host import Host, load_host

_LONGEST_NAME = 150  # of a job's folder, in characters; most file systems end at 255 bytes


def launch(given: Iterable[str], host: Host, *, multirun: bool) -> int:
    """Check the overrides and run; returns the exit code.

    Raises:
        PolysceneError: something that the user can mend; nothing was written then.
    """
    overrides = prepare_train(given, host, sweep=multirun)
    _host.cache_clear()
    _hosts[:] = [host]
    if not multirun:
        _hydra(overrides.lines)
        if _errors:
            raise _errors.pop()
        return 0
    folder, more = _sweep_folder(overrides, host)
    started = time.time()
    _hydra([*overrides.lines, *more, "--multirun"])
    outcomes = read_outcomes(folder, since=started)
    print_summary(folder, outcomes)
    failed = [outcome for outcome in outcomes if outcome.status != "finished"]
    if not failed:
        return 0
    return 2 if all(outcome.user_error for outcome in failed) else 1


def show_config(given: Iterable[str], host: Host, kind: str, *, resolve: bool, package: str | None) -> None:
    """Print the composed config, as Hydra does it.

    Raises:
        ConfigError: the config is wrong.
    """
    arguments = [*prepare_train(given, host).lines, "--cfg", kind]
    arguments += ["--resolve"] if resolve else []
    arguments += ["--package", package] if package else []
    _hydra(arguments)


def run_job(config: DictConfig) -> None:
    """One job: what Hydra calls, in this process or in one of a launcher's.

    In a multirun the outcome is written beside the job's results and nothing is raised, so that a failed job does
    not stop the others.
    """
    hydra_config = HydraConfig.get()
    several = hydra_config.mode == RunMode.MULTIRUN
    mapping: Any = OmegaConf.to_container(config, resolve=True)
    if not several:
        try:
            _train(mapping)
        except Exception as error:
            _errors.append(error)  # raised again outside Hydra, which would print its own words around it
        return
    folder = Path(hydra_config.runtime.output_dir)
    words = list(hydra_config.overrides.task)
    outcome = Outcome(int(hydra_config.job.num), [word for word in words if not word.startswith("run.dir=")])
    click.echo(f"Job {outcome.job}: {' '.join(outcome.overrides)}")
    started = time.time()
    try:
        mapping["run"]["dir"] = str(folder)
        _check_devices(mapping["trainer"]["devices"])
        _train(mapping)
        outcome.status = "finished"
    except Exception as error:
        outcome.fail(error)
        click.echo(f"Job {outcome.job} failed: {error}", err=True)
    outcome.seconds = round(time.time() - started, 1)
    write_outcome(folder, outcome)


def _check_devices(devices: int) -> None:
    """Further processes are started by repeating the command, which in a multirun would be all jobs."""
    if devices > 1 and "LOCAL_RANK" not in os.environ:
        raise ConfigError(
            f"a multirun cannot start the processes of {devices} devices by itself",
            where="trainer.devices",
            fix=f"start it with torchrun --nproc-per-node={devices} -m polyscene.cli.app train -m ...",
        )


def _train(mapping: dict[str, Any]) -> None:
    from polyscene.training.run import train

    # Fabric starts the processes of further devices by repeating the command, so it must find what was typed.
    with _arguments(_typed or sys.argv):
        train(resolve_train(mapping, _host()), _host())


_hosts: list[Host] = []
_errors: list[Exception] = []
_typed: list[str] = []


@functools.cache
def _host() -> Host:
    """The plugins: those already loaded here, or loaded anew in a launcher's process."""
    return _hosts[0] if _hosts else load_host()


def _sweep_folder(overrides: Overrides, host: Host) -> tuple[Path, list[str]]:
    run = compose("train", overrides.single(), host)["run"]
    if run["dir"]:
        folder, more = Path(run["dir"]), []
    else:
        folder = Path(run["root"]) / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-sweep")
        more = [f"run.dir={_quoted(str(folder))}"]
    name = ",".join(line for line in overrides.lines if not line.startswith("hydra"))
    if len(name) > _LONGEST_NAME or "/" in name:
        more.append("hydra.sweep.subdir=${hydra.job.num}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the folder cannot be made ({error.strerror})",
            where=str(folder),
            fix="choose another run.root or run.dir",
        ) from None
    return folder, more


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _hydra(arguments: list[str]) -> None:
    decorated = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(run_job)
    with _as_program(arguments):
        decorated()


@contextmanager
def _as_program(arguments: list[str]) -> Iterator[None]:
    """Hydra reads ``sys.argv``, and passes exceptions on to us only where this variable is set."""
    full = os.environ.get("HYDRA_FULL_ERROR")
    _typed[:] = sys.argv
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with _arguments(["polyscene train", *arguments]):
            yield
    finally:
        if full is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full


@contextmanager
def _arguments(arguments: list[str]) -> Iterator[None]:
    argv, sys.argv = sys.argv, list(arguments)
    try:
        yield
    finally:
        sys.argv = argv
