"""The loss of one training step. Nothing in here waits for the device."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from polyscene.data.windows import Windows

# splitmix64's increment: neighboring steps get unrelated seeds.
_STEP_FACTOR = 0x9E3779B97F4A7C15


def step_losses(
    model: nn.Module, batch: Mapping[str, Windows], weights: Mapping[str, Mapping[str, float]]
) -> dict[str, Tensor]:
    """One scalar loss per scenario: the weighted sum of its tasks, each averaged over the steps that count.

    Args:
        model: a :class:`polyscene.model.PolysceneModel`, possibly wrapped by Fabric.
        batch: windows by scenario.
        weights: the weight of each task, by scenario and task.
    """
    losses = {}
    for name, by_task in model(batch).items():
        valid_BT = batch[name].valid_BT
        count = valid_BT.sum().clamp(min=1)
        total = torch.stack(
            [
                weights[name][task] * torch.where(valid_BT, loss_BT, 0.0).sum() / count
                for task, loss_BT in by_task.items()
            ]
        )
        losses[name] = total.sum()
    return losses


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed the random numbers of a step (dropout, candidates), so that a resumed run draws what it would have."""
    torch.manual_seed((seed * 1_000_003 + rank * 7_919 + step * _STEP_FACTOR) % (1 << 63))
