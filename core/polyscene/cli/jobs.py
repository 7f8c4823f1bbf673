"""One job: a run of its own, or what Hydra calls for each of a multirun, here or in a launcher's process."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from polyscene.cli.outcomes import Outcome, read_outcome, write_outcome
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import TrainConfig
from polyscene.errors import ConfigError
from polyscene.registry.host import Host, load_host

typed: list[str] = []
"""``sys.argv`` as the user typed it."""
_hosts: list[Host] = []


def use_host(host: Host) -> None:
    """Let the jobs of this process use plugins that are loaded already."""
    _host.cache_clear()
    _hosts[:] = [host]


def run_job(config: DictConfig) -> float | None:
    """Train as the composed config of one job of a multirun says.

    The outcome is written beside the job's results and nothing is raised, so that a failed job does not stop the
    others. A job that finished before with the same config is kept as it is.

    Returns:
        The validation score, for sweepers that search for the best; ``None`` after a failure.
    """
    hydra_config = HydraConfig.get()
    mapping: Any = OmegaConf.to_container(config, resolve=True)
    folder = Path(hydra_config.runtime.output_dir)
    words = list(hydra_config.overrides.task)
    mapping["run"]["dir"] = str(folder)
    outcome = Outcome(int(hydra_config.job.num), [word for word in words if not word.startswith("run.dir=")])
    return _recorded(outcome, mapping, folder)


def _recorded(outcome: Outcome, mapping: dict[str, Any], folder: Path) -> float | None:
    from polyscene.training.finished import is_finished, validation_score

    label, before = f"Job {outcome.job}", read_outcome(folder)
    click.echo(f"{label}: {' '.join(outcome.overrides)}")
    started = time.time()
    write_outcome(folder, outcome)
    try:
        config = resolve_train(mapping, _host())
        outcome.kept = is_finished(folder, config)
        if outcome.kept:
            click.echo(f"{label} finished before with the same config: kept")
        else:
            _check_devices(config.trainer.devices)
            train_job(config)
        outcome.status, outcome.score = "finished", validation_score(folder)
    except Exception as error:
        outcome.fail(error)
        click.echo(f"{label} failed: {error}", err=True)
    outcome.seconds = before.seconds if outcome.kept and before else round(time.time() - started, 1)
    write_outcome(folder, outcome)
    return outcome.score


def _check_devices(devices: int) -> None:
    """Further processes are started by repeating the command, which in a multirun would be all jobs."""
    if devices > 1 and "LOCAL_RANK" not in os.environ:
        raise ConfigError(
            f"a multirun cannot start the processes of {devices} devices by itself",
            where="trainer.devices",
            fix=f"start it with torchrun --nproc-per-node={devices} -m polyscene.cli.app train -m ...",
        )


def train_job(config: TrainConfig) -> None:
    """Train as a checked config says.

    Raises:
        PolysceneError: something that the user can mend.
    """
    from polyscene.training.run import train

    # Fabric starts the processes of further devices by repeating the command, so it must find what was typed.
    with arguments(typed or sys.argv):
        train(config, _host())


@functools.cache
def _host() -> Host:
    """The plugins: those already loaded here, or loaded anew in a launcher's process."""
    return _hosts[0] if _hosts else load_host()


@contextmanager
def arguments(words: list[str]) -> Iterator[None]:
    """``sys.argv`` is ``words`` inside the block."""
    argv, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = argv
