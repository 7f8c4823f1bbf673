"""The interface of loggers, and the one that records nothing."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from polyscene.errors import ConfigError
from polyscene.training.folder import RESOLVED, read_config


class Logger(ABC):
    """Receives values during training; :meth:`close` is called once, also after a failure."""

    @abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records numbers by name, for example ``{"joint/video/loss": 1.2}``, at an optimizer step.

        Each model of a run (``joint``, ``single-video``) begins at step 0 again.
        """

    def log_results(self, results: Iterable[Mapping[str, Any]]) -> None:  # noqa: B027  (curves are enough for some)
        """Records the test results, rows of ``metrics.json``; a run that fails never comes here."""

    def close(self) -> None:  # noqa: B027  (most loggers have nothing to close)
        """Writes out what is still in memory."""


class NoLogger(Logger):
    """Records nothing."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        pass


def build_none(config: None, run: Path) -> NoLogger:
    """``logger=none``; ``config`` and ``run`` are not used."""
    return NoLogger()


def imported(module: str, *, tool: str, extra: str) -> Any:
    """A tool's module, imported only when asked for: it is an extra, and it takes a second.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{tool} is not installed ({error})",
            where=f"logger={extra}",
            fix=f'install the extra: pip install -c constraints.txt -e ".[{extra}]", or use logger=none',
        ) from error


def named_results(results: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Values by names such as ``test/video/ranking/warm/joint/ndcg@10``."""
    keys = ("scenario", "view", "population", "method", "metric")
    return {"/".join(["test", *(str(row[key]) for key in keys)]): float(row["value"]) for row in results}


def config_of(run: Path) -> dict[str, Any]:
    """The config of a run; a part of one, such as a seed of a transfer matrix, has that of the whole."""
    return read_config(run if (run / RESOLVED).is_file() else run.parent)


def kept_id(run: Path, name: str, fresh: str) -> str:
    """The id under which a tool knows this run: that of an earlier session, else ``fresh``, which is then kept."""
    file = run / f"{name}.id"
    if file.is_file():
        return file.read_text(encoding="utf-8").strip()
    file.write_text(fresh + "\n", encoding="utf-8")
    return fresh
