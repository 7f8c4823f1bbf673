"""What adapting starts from: a trained model as its files say it, without the data that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.config.schema import TrainConfig
from polyscene.errors import CheckpointError, ConfigError
from polyscene.features.encoder import Fitted, SharedModules
from polyscene.training.checkpoint import SHARED, unique_state
from polyscene.training.files import read_json, read_tensors
from polyscene.training.folder import CHECKPOINTS
from polyscene.training.remembered import read_remembered
from polyscene.training.strategy import JOINT

_PREFIX = "shared.modules_by_key."


@dataclass(frozen=True)
class Start:
    """A trained model.

    Args:
        folder: the run directory.
        label: which of its models.
        config: the run's config.
        learned: what encoders learned besides parameters, by scenario; its keys are the model's scenarios.
        state: the checkpoint.
        shared: what shared modules learned besides parameters, by key.
        remembered: rows that the router has read of scenarios, by name.
    """

    folder: Path
    label: str
    config: TrainConfig
    learned: Mapping[str, Any]
    state: Mapping[str, Tensor]
    shared: Mapping[str, Any]
    remembered: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, config: TrainConfig) -> Start:
        """The joint model of a run, or its only one.

        Raises:
            CheckpointError: files are missing or damaged.
            ConfigError: the run holds several models and none of all scenarios.
        """
        labels = sorted(path.parent.name for path in (folder / CHECKPOINTS).glob("*/model.safetensors"))
        if not labels:
            raise CheckpointError(
                "no model was saved", where=str(folder), fix="repeat the training with run.dir to finish it"
            )
        label = JOINT if JOINT in labels else labels[0]
        if label != JOINT and len(labels) > 1:
            raise ConfigError(
                f"it holds a model for each scenario ({', '.join(labels)}), and adapting starts from one for all",
                where=str(folder),
                fix="train the scenarios jointly: polyscene train strategy=multitask",
            )
        model = folder / CHECKPOINTS / label
        return cls(
            folder,
            label,
            config,
            read_json(model / "model.json"),
            read_tensors(model / "model.safetensors"),
            read_json(model / SHARED),
            read_remembered(model),
        )

    def rows_by_index(self) -> dict[int, Tensor]:
        """The remembered rows by the index of their scenario."""
        names = list(self.learned)
        return {names.index(name): rows for name, rows in self.remembered.items()}

    def modules(self) -> SavedModules:
        """The model's shared modules, each read when it is first asked for."""
        state = {name.removeprefix(_PREFIX): t for name, t in self.state.items() if name.startswith(_PREFIX)}
        return SavedModules(state, self.shared)


class SavedModules(SharedModules):
    """Shared modules of a checkpoint, frozen; a module is made by whoever asks for it first, and read then.

    Args:
        state: their tensors, named ``KEY.PARAMETER``.
        fitted: what they learned besides, by key.
    """

    def __init__(self, state: Mapping[str, Tensor], fitted: Mapping[str, Any]) -> None:
        super().__init__()
        self._state, self._fitted = state, fitted
        self._saved = {name.partition(".")[0] for name in state}

    def keys(self) -> set[str]:
        return super().keys() | self._saved

    def get(self, key: str, create: Callable[[], nn.Module]) -> nn.Module:
        known = key in self.modules_by_key
        module = super().get(key, create)
        if key in self._saved and not known:
            if isinstance(module, Fitted):
                module.load_fitted(self._fitted[key])
            with torch.no_grad():
                for name, tensor in unique_state(module).items():
                    tensor.copy_(self._state[f"{key}.{name}"])
            module.requires_grad_(requires_grad=False)
        return module


def check_new(name: str, config: TrainConfig, where: str) -> None:
    """Raise :class:`ConfigError` where a run has the scenario already."""
    if name in config.scenario:
        known = ", ".join(config.scenario)
        raise ConfigError(
            f"the run has the scenario '{name}' already (it has {known})",
            where=where,
            fix="evaluate it: polyscene evaluate run=RUN, or give a run without it",
        )
