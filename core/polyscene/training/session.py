"""A session: what every command that touches a model needs, in one place."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from safetensors import safe_open

from polyscene.backbone import Backbone
from polyscene.config.choice import Choice
from polyscene.config.schema import TrainConfig
from polyscene.data.access import DataAccess
from polyscene.evaluation.subject import Subject
from polyscene.registry.host import Host
from polyscene.training.loading import Loaded, LoadedScenario, load_scenarios
from polyscene.training.memory import keep_freed_memory


@dataclass
class Session:
    """Config, plugins, data and backbone of one command.

    Args:
        config: the run's config.
        host: the plugins.
        device: where texts are encoded and models live.
        say: receives lines for people.
    """

    config: TrainConfig
    host: Host
    device: torch.device
    say: Callable[[str], None]

    @cached_property
    def access(self) -> DataAccess:
        """Data sets of the config."""
        data = self.config.data
        return DataAccess(
            Path(data.root) if data.root else None,
            Path(data.cache) if data.cache else None,
            offline=data.offline,
            datasets=self.config.dataset,
            progress=True,
        )

    @cached_property
    def backbone(self) -> Backbone:
        """The pretrained model behind its activation store."""
        return Backbone(self.config.backbone, self.access, self.access.cache, self.device)

    def backbone_parameters(self) -> int:
        """Number of parameters of the pretrained model, read from the headers of its files."""
        count = 0
        for path in self.backbone.folder.glob("*.safetensors"):
            with safe_open(path, framework="pt") as file:
                count += sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
        return count

    def under(self, config: TrainConfig) -> Session:
        """The same data sets and backbone under another config: another seed, adapter or balancer."""
        other = replace(self, config=config)
        shared = ("access", "backbone")
        other.__dict__.update({name: value for name, value in vars(self).items() if name in shared})
        return other

    def load(self, only: list[str] | None = None) -> Loaded:
        """The scenarios' data."""
        return load_scenarios(self.config, self.host, self.access, self.say, only)

    def subject(self, name: str, loaded: LoadedScenario) -> Subject:
        """A scenario as something to evaluate, on the session's device."""
        task = self.host.component("task", loaded.scenario.tasks[0].name, where=f"scenario '{name}'")
        return Subject(
            name,
            loaded.scenario,
            loaded.events.to(self.device),
            # Whoever judges pairs is asked about users, whatever it reads of them.
            from_history=getattr(task.build, "from_history", True) or getattr(task.build, "judges", False),
            protocol=loaded.split.description,
            own_item_U=_own_items(loaded, self.device),
            ranked=not getattr(task.build, "judges", False),
            metrics={_label(choice): choice.build() for choice in self.config.metrics},
        )


def _label(metric: Choice) -> str:
    """How reports call a metric: ``ndcg@5``."""
    cut = getattr(metric.options, "k", None)
    return metric.name if cut is None else f"{metric.name}@{cut}"


def _own_items(loaded: LoadedScenario, device: torch.device) -> torch.Tensor | None:
    """The item that each user is, where users and items are the same people."""
    scenario, tables = loaded.scenario, loaded.tables
    if not scenario.user_space or scenario.user_space != scenario.item_space:
        return None
    position = {label: index for index, label in enumerate(tables.item_ids.tolist())}
    own = [position.get(label, -1) for label in tables.user_ids.tolist()]
    return torch.tensor(own, device=device) if min(own) >= 0 else None


def prepare_torch(config: TrainConfig) -> None:
    """Settings for a run: kept memory, threads, and no subnormal numbers (they slow CPUs down several times)."""
    keep_freed_memory()
    torch.set_flush_denormal(True)
    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    # cuBLAS needs this before its first call to compute the same sums in every run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    # That mode also fills new memory with NaN to expose reads of it, which costs up to a tenth of a step.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010  (a property of the module)
