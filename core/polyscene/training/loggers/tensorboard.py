"""TensorBoard: event files inside the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from polyscene.errors import ConfigError
from polyscene.training.loggers.logger import Logger, imported


@dataclass
class TensorBoardConfig:
    """Options of ``logger=tensorboard``."""

    folder: str = "tensorboard"
    """Where the event files go, inside the run directory."""
    flush_seconds: int = 30
    """How long values may wait in memory before they are written."""


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
        torch_side = imported("torch.utils.tensorboard", tool="TensorBoard", extra="tensorboard")
        self._writer = torch_side.SummaryWriter(log_dir=str(folder), flush_secs=config.flush_seconds)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, global_step=step)

    def close(self) -> None:
        self._writer.close()
