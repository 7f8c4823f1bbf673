"""Runs a suite: what is finished is kept, what failed is named and tried again the next time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from polyscene.comparison.suites.config import SuiteConfig
from polyscene.comparison.suites.job import Job
from polyscene.comparison.suites.jobs import jobs_of
from polyscene.comparison.suites.launch import LOGS, Launch, Processes, in_a_line, run_jobs
from polyscene.comparison.suites.results import parts_of, print_parts, write_suite_page
from polyscene.data.files import write_error
from polyscene.errors import CheckpointError, ConfigError, PolysceneError
from polyscene.registry.host import Host


def run_suite(
    suite: SuiteConfig,
    folder: Path,
    host: Host,
    *,
    further: Sequence[str] = (),
    workers: int = 1,
    launch: Launch | None = None,
) -> Path:
    """Run the jobs that are not finished yet, print what was found and write the page; returns the page's path.

    Args:
        suite: what is asked for.
        folder: where runs are kept; the same folder goes on with a suite that was stopped.
        host: the plugins.
        further: overrides of every training.
        workers: how many runs at once.
        launch: runs one command; a process of its own for each if None.

    Raises:
        ConfigError: what is wrong with the suite, before anything starts.
        PolysceneError: some runs failed; the others are on the page.
    """
    jobs = jobs_of(suite, host, further)
    console = Console()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(error, folder, CheckpointError) from None
    with _alone(folder):
        try:
            failed = _run(jobs, folder, console, launch or Processes(workers), workers)
        except KeyboardInterrupt:
            _show(suite, jobs, folder, console, {})
            console.print("Stopped; the same command goes on.")
            raise
        page = _show(suite, jobs, folder, console, failed)
    if failed:
        lines = "\n".join(f"  - {name}: {in_a_line(reason)}" for name, reason in failed.items())
        raise PolysceneError(
            f"{len(failed)} of {len(jobs)} runs failed; the page has the others\n{lines}",
            where=str(folder),
            fix=f"what they said is in {folder / LOGS}; the same command tries them again",
        )
    return page


def _run(jobs: Sequence[Job], folder: Path, console: Console, launch: Launch, workers: int) -> dict[str, str]:
    """Why jobs failed, by name."""
    waiting = [job for job in jobs if not job.finished(folder)]
    done = len(jobs) - len(waiting)
    console.print(f"{len(jobs)} runs in {folder}, {done} of them finished before", soft_wrap=True, highlight=False)
    failed: dict[str, str] = {}
    for job, why in run_jobs(waiting, folder, launch, workers):
        done += 1
        changed = "it left no results of this config; was the program changed meanwhile?"
        reason = why or ("" if job.finished(folder) else changed)
        if reason:
            failed[job.name] = reason
        said = f"failed: {in_a_line(reason)}" if reason else "finished"
        console.print(f"{done}/{len(jobs)} {job.name}: {said}", soft_wrap=True, highlight=False, markup=False)
    return failed


def _show(
    suite: SuiteConfig, jobs: Sequence[Job], folder: Path, console: Console, failed: Mapping[str, str]
) -> Path:
    parts = parts_of(suite, jobs, folder)
    print_parts(suite, parts, jobs, folder, console)
    page = write_suite_page(suite, parts, folder, failed)
    console.print(f"Page: {page}", soft_wrap=True, highlight=False)
    return page


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else works in this folder: two processes would train the same runs into the same files."""
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise ConfigError(
            "another process runs a suite in this folder", where=str(folder), fix="wait for it, or give --into"
        ) from None
