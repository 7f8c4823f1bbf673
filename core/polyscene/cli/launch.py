"""Starts training through Hydra: one job, or those of a multirun."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import hydra

from polyscene.cli.jobs import arguments, errors, run_job, typed, use_host
from polyscene.cli.sweep import run_sweep
from polyscene.config.compose import prepare_train
from polyscene.config.folder import conf_dir
from polyscene.registry.host import Host


def launch(given: Iterable[str], host: Host, *, multirun: bool) -> int:
    """Check the overrides and run; returns the exit code.

    Raises:
        PolysceneError: something that the user can mend; nothing was written then.
    """
    overrides = prepare_train(given, host, sweep=multirun)
    use_host(host)
    if multirun:
        return run_sweep(overrides, host, _hydra)
    _hydra(overrides.lines)
    if errors:
        raise errors.pop()
    return 0


def show_config(given: Iterable[str], host: Host, kind: str, *, resolve: bool, package: str | None) -> None:
    """Print the composed config, as Hydra does it.

    Raises:
        ConfigError: the config is wrong.
    """
    words = [*prepare_train(given, host).lines, "--cfg", kind]
    words += ["--resolve"] if resolve else []
    words += ["--package", package] if package else []
    _hydra(words)


def _hydra(words: list[str]) -> None:
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
