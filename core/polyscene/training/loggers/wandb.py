"""Weights & Biases: offline, unless one asks for its server."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from polyscene.errors import ConfigError
from polyscene.training.loggers.logger import Logger, config_of, imported, kept_id, named_results


@dataclass
class WandbConfig:
    """Options of ``logger=wandb``."""

    project: str = "polyscene"
    """The project to which the run belongs."""
    mode: Literal["offline", "online"] = "offline"
    """``offline`` writes into the run directory and uses no network; ``wandb sync RUN/wandb/offline-*`` sends it
    later. ``online`` needs ``wandb login`` before."""
    entity: str = ""
    """User or team, for ``online``; empty takes the default of the login."""


class WandbLogger(Logger):
    """Writes what ``wandb sync`` sends: the config, curves, test results; nothing about machine or code.

    Raises:
        ConfigError: if wandb is not installed, or does not let us log.
    """

    def __init__(self, config: WandbConfig, run: Path) -> None:
        self._wandb = imported("wandb", tool="Weights & Biases", extra="wandb")
        try:
            self._run = self._wandb.init(
                project=config.project,
                entity=config.entity or None,
                mode=config.mode,
                id=kept_id(run, "wandb", uuid.uuid4().hex[:12]),
                resume="allow" if config.mode == "online" else None,
                name=run.name,
                dir=str(run),
                config=config_of(run),
                settings=self._wandb.Settings(
                    silent=True, console="off", disable_code=True, disable_git=True, x_disable_stats=True
                ),
            )
        except self._wandb.Error as error:
            raise ConfigError(
                " ".join(str(error).split()),
                where="logger=wandb",
                fix="run `wandb login` first, or leave out logger.mode=online and sync later",
            ) from error
        # Each model of a run begins at step 0 again, which W&B's own step may not do.
        self._run.define_metric("*", step_metric="step")
        self._failed = True

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log({**values, "step": step})

    def log_results(self, results: Iterable[Mapping[str, Any]]) -> None:
        self._run.summary.update(named_results(results))
        self._failed = False

    def close(self) -> None:
        self._run.finish(exit_code=int(self._failed))
