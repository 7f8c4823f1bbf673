"""Restoring: a run directory becomes data and models again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from polyscene.config.resolve import resolve_train
from polyscene.config.schema import DataConfig, TrainConfig
from polyscene.data.domains import scenario_of
from polyscene.errors import CheckpointError, did_you_mean
from polyscene.model import PolysceneModel
from polyscene.registry.host import Host
from polyscene.report.schema import TRANSFER
from polyscene.training.assembly import build_model
from polyscene.training.controls import changed, control_of
from polyscene.training.files import read_json
from polyscene.training.folder import CHECKPOINTS, RESOLVED, read_config, read_fingerprint
from polyscene.training.loading import Loaded
from polyscene.training.session import Session, prepare_torch
from polyscene.training.strategy import JOINT

LATEST = "latest"


@dataclass
class RestoredRun:
    """A finished run: its config, data and models.

    Args:
        folder: the run directory.
        config: its config, with the places of data on this machine.
        session: plugins, data and backbone.
    """

    folder: Path
    config: TrainConfig
    session: Session

    @cached_property
    def loaded(self) -> Loaded:
        """The scenarios that the run was trained on, checked to be the same data.

        Raises:
            CheckpointError: the data has changed since.
        """
        names = sorted(
            (path.stem for path in (self.folder / "split").glob("*.safetensors")),
            key=lambda name: list(self.config.scenario).index(scenario_of(name)),
        )
        loaded = self.session.load(names)
        known = read_fingerprint(self.folder)["data"]
        changed = [name for name, one in loaded.scenarios.items() if one.tables.fingerprint() != known.get(name)]
        if changed or loaded.skipped:
            raise CheckpointError(
                f"the data of {', '.join([*changed, *loaded.skipped])} is not what the run was trained on",
                where=str(self.folder),
                fix="give the same files with data.root, or train again",
            )
        return loaded

    def labels(self) -> list[str]:
        """The models of the run: the joint one first, controls last."""
        found = [path.parent.name for path in (self.folder / CHECKPOINTS).glob("*/model.safetensors")]
        if not found:
            raise CheckpointError(
                "no model was saved", where=str(self.folder), fix="repeat the training with run.dir to finish it"
            )
        return sorted(found, key=lambda label: (label != JOINT, bool(control_of(label)), label))

    def scenarios_of(self, label: str) -> list[str]:
        """The scenarios that a model learned, in the order of their adapters."""
        return list(self._learned(label))

    def model(self, label: str) -> PolysceneModel:
        """A model of the run, in eval mode."""
        learned = self._learned(label)
        loaded = replace(self.loaded, scenarios={name: self.loaded.scenarios[name] for name in learned})
        loaded = changed(control_of(label), loaded, self.config.seed, self.session.host)
        model, _ = build_model(
            self.session,
            loaded,
            fitted=learned,
            weights=self.folder / CHECKPOINTS / label / "model.safetensors",
        )
        return model.eval()

    def models(self) -> Iterator[tuple[str, PolysceneModel]]:
        """Every model of the run, one at a time."""
        for label in self.labels():
            yield label, self.model(label)

    def _learned(self, label: str) -> dict[str, Any]:
        return read_json(self.folder / CHECKPOINTS / label / "model.json")


def restore(run: str, host: Host, *, root: str, data: DataConfig, device: str) -> RestoredRun:
    """A run by its directory, or the latest one under ``root``.

    Args:
        run: a run directory, or ``latest``.
        host: the plugins.
        root: where ``latest`` looks.
        data: places of data that replace those of the run, where given.
        device: ``auto``, ``cpu``, ``cuda``.

    Raises:
        CheckpointError: there is no such run, or it cannot be used.
    """
    folder = find_run(run, root)
    config = resolve_train({**read_config(folder), "run": {"dir": str(folder)}}, host)
    config.data = DataConfig(
        root=data.root or config.data.root,
        cache=data.cache or config.data.cache,
        offline=data.offline or config.data.offline,
    )
    prepare_torch(config)
    return RestoredRun(folder, config, Session(config, host, torch_device(device), say=lambda _: None))


def find_run(run: str, root: str) -> Path:
    """The directory that ``run`` names."""
    if run != LATEST:
        folder = Path(run)
        if (folder / TRANSFER).is_file():
            raise CheckpointError(
                "it holds a transfer matrix, which keeps no models", where=run, fix="train one: polyscene train"
            )
        if folder.is_dir():
            return folder
        beside = [path.name for path in folder.parent.glob("*") if (path / RESOLVED).is_file()]
        raise CheckpointError(
            f"there is no run '{run}'", where=str(folder.parent), fix=did_you_mean(folder.name, beside)
        )
    runs = [path.parent for path in Path(root).glob(f"**/{RESOLVED}") if (path.parent / CHECKPOINTS).is_dir()]
    if not runs:
        raise CheckpointError(f"there is no run in '{root}'", where="run=latest", fix="train one: polyscene train")
    return max(runs, key=lambda path: (path / RESOLVED).stat().st_mtime)


def torch_device(name: str) -> torch.device:
    """A device by name; ``auto`` is the GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise CheckpointError(
            f"device '{name}' cannot be used ({str(error).splitlines()[0]})", fix="use device=cpu or device=auto"
        ) from None
    return device
