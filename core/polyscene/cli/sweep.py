"""A multirun: its folder, which keeps what is finished, and what is said about its jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from filelock import FileLock, Timeout

from polyscene.cli.outcomes import print_summary, read_outcomes
from polyscene.config.compose import compose
from polyscene.config.overrides import Overrides
from polyscene.errors import ConfigError, PolysceneError
from polyscene.registry.host import Host

_LONGEST_NAME = 150  # of a job's folder, in characters; most file systems end at 255 bytes
_NUMBERED = "hydra.sweep.subdir=${hydra.job.num}"


def run_sweep(overrides: Overrides, host: Host, run: Callable[[list[str]], None]) -> int:
    """Run all jobs and list how they ended; returns the exit code.

    Args:
        overrides: the checked overrides.
        host: the plugins.
        run: hands arguments to Hydra.

    Raises:
        PolysceneError: the folder cannot be used, or the launcher broke down.
    """
    folder, more = _folder(overrides, host)
    started, failure = time.time(), None
    with _alone(folder):
        try:
            run([*overrides.lines, *more, "--multirun"])
        except PolysceneError:
            raise
        except Exception as error:  # of a launcher: jobs keep their errors to themselves
            failure = " ".join(str(error).split()) or type(error).__name__
    outcomes = read_outcomes(folder, since=0 if overrides.searches else started)
    print_summary(folder, outcomes)
    _print_best(folder, overrides)
    if failure is not None:
        raise PolysceneError(
            f"the launcher broke down ({failure})",
            where=str(folder),
            fix=f"repeat the command with run.dir={folder}: jobs that finished are kept",
        )
    failed = [one for one in outcomes if one.status != "finished"]
    if not failed:
        return 0
    return 2 if all(one.user_error for one in failed) else 1


def _folder(overrides: Overrides, host: Host) -> tuple[Path, list[str]]:
    run = compose("train", overrides.single(), host)["run"]
    named = bool(run["dir"])
    folder = Path(run["dir"] or Path(run["root"]) / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-sweep"))
    more = [] if named else [f"run.dir={_quoted(str(folder))}"]
    more += _names(overrides)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the folder cannot be made ({error.strerror})",
            where=str(folder),
            fix="choose another run.root or run.dir",
        ) from None
    if not named:
        click.echo(f"Jobs go to {folder}; after an interruption add run.dir={folder} to the command")
    return folder, more


def _names(overrides: Overrides) -> list[str]:
    """What jobs' folders are called: after all overrides, else after those that differ, else by number.

    A name does not depend on the values that other jobs have, so that a sweep may grow.
    """
    differ = {choices[0].partition("=")[0]: max(choices, key=len) for choices in overrides.sweeps}
    lines = {line.partition("=")[0]: line for line in overrides.lines if not line.startswith("hydra")}
    if overrides.searches:
        return [_NUMBERED]
    if _fits({**lines, **differ}.values()):
        return []
    if not _fits(differ.values()):
        return [_NUMBERED]
    common = ",".join(key.lstrip("+~") for key in [*lines, "run.dir"] if key not in differ)
    return [f"hydra.job.config.override_dirname.exclude_keys=[{common}]"]


def _fits(lines: Collection[str]) -> bool:
    return len(",".join(lines)) <= _LONGEST_NAME and not any("/" in line for line in lines)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else works in this folder: two processes would train the same jobs into the same files."""
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise ConfigError(
            "another process runs jobs in this folder",
            where=str(folder),
            fix="wait for it, stop it, or choose another run.dir",
        ) from None


def _print_best(folder: Path, overrides: Overrides) -> None:
    if overrides.searches:
        from polyscene.cli.search import print_best

        print_best(folder)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
