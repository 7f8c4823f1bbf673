"""The optimizer: AdamW with warm-up and a cosine or constant schedule."""

from __future__ import annotations

import math

import torch
from torch import nn

from polyscene.config.schema import TrainerConfig


def build_optimizer(model: nn.Module, trainer: TrainerConfig) -> torch.optim.AdamW:
    """AdamW over trainable parameters; vectors (biases, norms, scales) are not decayed."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": trainer.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=trainer.lr, fused=True)


def learning_rate(step: int, trainer: TrainerConfig) -> float:
    """Learning rate of a step (from 0): linear warm-up, then constant, or linear or cosine to a tenth."""
    if step < trainer.warmup:
        return trainer.lr * (step + 1) / trainer.warmup
    progress = min(1.0, (step - trainer.warmup) / max(1, trainer.steps - trainer.warmup))
    falling = {"constant": 1.0, "linear": 1 - progress, "cosine": 0.5 * (1 + math.cos(math.pi * progress))}
    return trainer.lr * (0.1 + 0.9 * falling[trainer.schedule])


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
