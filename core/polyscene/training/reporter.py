"""What a run says while it works: lines for people, progress bars, seconds by stage, and hooks for plugins."""

from __future__ import annotations

import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from polyscene.config.plain import to_mapping
from polyscene.config.schema import TrainConfig
from polyscene.registry.blame import blamed
from polyscene.registry.host import Host


class Reporter:
    """Speaks for a run, once for all of its processes.

    Args:
        host: the plugins, which are told what happens.
        speaks: whether this process speaks; on several devices only the first one does.

    Attributes:
        console: the terminal.
        seconds: wall-clock time by stage.
    """

    def __init__(self, host: Host, *, speaks: bool) -> None:
        self.host, self.speaks = host, speaks
        self.console = Console(stderr=False, quiet=not speaks)
        self.seconds: dict[str, float] = {}
        self._started = time.monotonic()
        self._log: IO[str] | None = None

    @contextmanager
    def running(self, folder: Path, config: TrainConfig) -> Iterator[None]:
        """The span of a run: keeps ``log.txt`` in its directory and tells plugins how it began and ended."""
        with (folder / "log.txt").open("a", encoding="utf-8") as self._log:
            self.notify("polyscene_run_started", run=folder, config=to_mapping(config))
            status = "failed"
            try:
                yield
                status = "finished"
            except (Exception, SystemExit) as error:
                self._tell_plugin(error, folder)
                raise
            finally:
                self.notify("polyscene_run_finished", run=folder, status=status)

    def _tell_plugin(self, error: BaseException, folder: Path) -> None:
        """Raise an error of a plugin's code in words that name the plugin; its traceback is kept in the log."""
        fix = (
            f"mend or update the plugin (`polyscene plugins check {{name}}` tests it); the traceback is in "
            f"{folder / 'log.txt'}, and the same command with run.dir={folder} goes on from the last checkpoint"
        )
        found = blamed(error, self.host.records, fix)
        if found is None:
            return
        if self._log is not None:
            self._log.write("".join(traceback.format_exception(error)))
        raise found from error

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started

    def say(self, line: str) -> None:
        """A line for people, in the terminal and in the log."""
        if self.speaks:
            self.console.print(line, soft_wrap=True, highlight=False, markup=False)
            if self._log is not None:
                self._log.write(line + "\n")
                self._log.flush()

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell the plugins."""
        if self.speaks:
            self.host.call(hook, **arguments)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of a block to a stage."""
        started = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    @contextmanager
    def bar(self, label: str, steps: int) -> Iterator[Callable[[int], None]]:
        """A progress bar; gives a function that receives the number of finished steps."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(label, total=steps)
            yield lambda step: progress.update(task, completed=step)


def peak_memory_mib() -> float:
    """Peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


def device_facts(device: torch.device) -> dict[str, Any]:
    """The device that models are trained on and the peak memory of tensors on it, for metrics.json."""
    if device.type != "cuda":
        return {"name": device.type, "memory_mb": None}
    peak = torch.cuda.max_memory_allocated(device) / (1 << 20)
    return {"name": torch.cuda.get_device_name(device), "memory_mb": round(peak, 1)}
