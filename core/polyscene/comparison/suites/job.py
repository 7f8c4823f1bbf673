"""A job: one run of a suite, as a command with its arguments and a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polyscene.config.schema import TrainConfig
from polyscene.errors import CheckpointError
from polyscene.report.schema import METRICS, TRANSFER
from polyscene.training.files import read_json
from polyscene.training.finished import is_finished


@dataclass(frozen=True)
class Job:
    """One run of a suite.

    Args:
        command: ``train``, ``adapt`` or ``transfer``.
        group: whose scenarios.
        protocol: in which way.
        method: of which method.
        seed: with which seed; None for all seeds in one run.
        arguments: what the command is given, without the folder.
        key: tells it from the same job of a changed suite.
        held: the scenario that it adapts to.
        config: the config of a training.
        base: the training that it starts from.
    """

    command: str
    group: str
    protocol: str
    method: str
    seed: int | None
    arguments: tuple[str, ...]
    key: str
    held: str = ""
    config: TrainConfig | None = None
    base: Job | None = None

    @property
    def name(self) -> str:
        """Its folder within that of the suite."""
        seed = "" if self.seed is None else f"seed{self.seed}"
        held = (
            f"to-{self.held}"
            if self.held and self.command == "adapt"
            else f"without-{self.held}" * bool(self.held)
        )
        parts = [self.group, self.protocol, self.method, held, seed, self.key[:8]]
        return "-".join(part for part in parts if part)

    def line(self, suite: Path) -> list[str]:
        """The command's words."""
        folder = suite / self.name
        if self.command != "adapt":
            return [self.command, *self.arguments, f"run.dir={folder}"]
        assert self.base is not None
        return [self.command, f"run={suite / self.base.name}", *self.arguments, f"into={folder}"]

    def finished(self, suite: Path) -> bool:
        """Whether the folder has its results."""
        folder = suite / self.name
        if self.config is not None and self.command == "train":
            return is_finished(folder, self.config)
        if self.command == "adapt":
            return (folder / METRICS).is_file()
        try:
            found = read_json(folder / TRANSFER)
        except CheckpointError:
            return False
        return found["status"] == "finished" and not found["failed"]
