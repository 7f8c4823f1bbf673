"""Loggers: where the values of a run go besides metrics.jsonl."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from polyscene.errors import ConfigError
from polyscene.registry.components import Component


class Logger(ABC):
    """Receives values during training; :meth:`close` is called once, also after a failure."""

    @abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records numbers by name, for example ``{"video/loss": 1.2}``, at an optimizer step."""

    def close(self) -> None:  # noqa: B027  (most loggers have nothing to close)
        """Writes out what is still in memory."""


class NoLogger(Logger):
    """Records nothing."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        pass


@dataclass
class TensorBoardConfig:
    """Options of ``logger=tensorboard``.

    Args:
        folder: where the event files go, inside the run directory.
        flush_seconds: how long values may wait in memory before they are written.
    """

    folder: str = "tensorboard"
    flush_seconds: int = 30


class TensorBoardLogger(Logger):
    """Writes event files that ``tensorboard --logdir RUN`` shows.

    Raises:
        ConfigError: if TensorBoard is not installed, or the folder leaves the run directory.
    """

    def __init__(self, config: TensorBoardConfig, run: Path) -> None:
        folder = (run / config.folder).resolve()
        if not folder.is_relative_to(run.resolve()):
            raise ConfigError(
                f"'{config.folder}' is outside the run directory",
                where="logger.folder",
                fix="name a folder inside it, such as tensorboard",
            )
        try:
            # Imported only when asked for: it is an extra, and it takes a second.
            writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "TensorBoard is not installed",
                where="logger=tensorboard",
                fix='install the extra: pip install -c constraints.txt -e ".[tensorboard]", or use logger=none',
            ) from error
        self._writer = writer(log_dir=str(folder), flush_secs=config.flush_seconds)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, global_step=step)

    def close(self) -> None:
        self._writer.close()


def build_none(config: None, run: Path) -> NoLogger:
    """``logger=none``; ``config`` and ``run`` are not used."""
    return NoLogger()


COMPONENTS = [
    Component("logger", "none", build_none),
    Component("logger", "tensorboard", TensorBoardLogger, TensorBoardConfig),
]
