"""One training step: its losses and how gradients are taken of them. Nothing in here waits for the device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from polyscene.data.windows import Windows
from polyscene.routing import RECOGNITION

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from polyscene.model import PolysceneModel

# splitmix64's increment: neighboring steps get unrelated seeds.
_STEP_FACTOR = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Step:
    """What a balancer needs to turn a batch into gradients.

    Args:
        model: the model itself.
        wrapped: the model as Fabric calls it, with its precision and its averaging over devices.
        fabric: devices and precision.
        weights: the weight of each task, by scenario and task.
        accumulate: batches in a step.
    """

    model: PolysceneModel
    wrapped: nn.Module
    fabric: Fabric
    weights: Mapping[str, Mapping[str, float]]
    accumulate: int = 1

    def losses(self, batch: Mapping[str, Windows]) -> dict[str, Tensor]:
        """Losses of a batch by scenario."""
        return step_losses(self.wrapped, batch, self.weights)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average gradients over the processes, where nobody else does."""
        if self.fabric.world_size == 1:
            return
        for parameter in parameters:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            averaged: Any = self.fabric.all_reduce(gradient, reduce_op="mean")
            parameter.grad = averaged


def step_losses(
    model: nn.Module, batch: Mapping[str, Windows], weights: Mapping[str, Mapping[str, float]]
) -> dict[str, Tensor]:
    """One scalar loss per scenario: the weighted sum of its tasks, each averaged over the steps that count.

    A router adds one more under ``RECOGNITION``, which is no scenario's: its cross-entropy averaged within each
    scenario and then over scenarios, so that each counts the same whatever its rows.

    Args:
        model: a :class:`polyscene.model.PolysceneModel`, possibly wrapped by Fabric.
        batch: windows by scenario.
        weights: the weight of each task, by scenario and task.
    """
    losses, recognition = {}, []
    for name, by_task in model(batch).items():
        valid_BT = batch[name].valid_BT
        count = valid_BT.sum().clamp(min=1)
        means = {task: torch.where(valid_BT, loss_BT, 0.0).sum() / count for task, loss_BT in by_task.items()}
        if RECOGNITION in means:
            recognition.append(means.pop(RECOGNITION))
        losses[name] = torch.stack([weights[name][task] * mean for task, mean in means.items()]).sum()
    return losses | ({RECOGNITION: torch.stack(recognition).mean()} if recognition else {})


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed the random numbers of a step (dropout, candidates), so that a resumed run draws what it would have."""
    torch.manual_seed((seed * 1_000_003 + rank * 7_919 + step * _STEP_FACTOR) % (1 << 63))
