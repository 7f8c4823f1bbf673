"""Starts training: one job, or through Hydra those of a multirun."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from polyscene.cli.jobs import arguments, run_job, train_job, typed, use_host
from polyscene.cli.sweep import run_sweep
from polyscene.config.compose import prepare_train
from polyscene.config.folder import conf_dir
from polyscene.errors import ConfigError, Problems
from polyscene.registry.host import Host


def launch(given: Iterable[str], host: Host, *, multirun: bool) -> int:
    """Check the overrides and run; returns the exit code.

    Raises:
        PolysceneError: something that the user can mend; nothing was written then.
    """
    overrides, config = prepare_train(given, host, sweep=multirun)
    use_host(host)
    if multirun:
        return run_sweep(overrides, host, _hydra)
    _refuse_hydra(overrides.lines)
    train_job(config)
    return 0


def show_config(given: Iterable[str], host: Host, kind: str, *, resolve: bool, package: str | None) -> None:
    """Print the composed config, as Hydra does it.

    Raises:
        ConfigError: the config is wrong.
    """
    words = [*prepare_train(given, host)[0].lines, "--cfg", kind]
    words += ["--resolve"] if resolve else []
    words += ["--package", package] if package else []
    _hydra(words)


def _refuse_hydra(lines: list[str]) -> None:
    """A single job has no use for Hydra's own options, and must not pass over them in silence."""
    problems = Problems("config")
    for line in (line.lstrip("+~") for line in lines):
        if line.startswith(("hydra.", "hydra/")):
            problems.add(f"'{line}' is about the jobs of a multirun", fix="add -m, or leave it out")
    problems.raise_if_any(ConfigError)


def _hydra(words: list[str]) -> None:
    import hydra  # takes its time, and a single job does without

    decorated = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(run_job)
    with _as_program(words):
        decorated()


@contextmanager
def _as_program(words: list[str]) -> Iterator[None]:
    """Hydra reads ``sys.argv``, and passes exceptions on to us only where this variable is set."""
    full = os.environ.get("HYDRA_FULL_ERROR")
    typed[:] = sys.argv
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with arguments(["polyscene train", *words]):
            yield
    finally:
        if full is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full
