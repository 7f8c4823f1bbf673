"""The optimizer: AdamW with warm-up and a cosine or constant schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from polyscene.adapters.bank import AdapterBank
from polyscene.backbone.suffix import Suffix
from polyscene.config.schema import TrainerConfig
from polyscene.routing import Router

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def build_optimizer(model: nn.Module, trainer: TrainerConfig, suffix_lr: float = 1.0) -> torch.optim.AdamW:
    """AdamW over trainable parameters; vectors (biases, norms, scales) are not decayed.

    Args:
        model: its parameters.
        trainer: learning rate and weight decays.
        suffix_lr: learning rate of backbone layers in multiples of the others'; adapters in them are others.
    """
    suffixes = [module for module in model.modules() if isinstance(module, Suffix)]
    backbone = {id(p) for suffix in suffixes for p in suffix.pretrained_parameters()}
    # The first dimension of an adapter is the scenario, so its vectors are matrices.
    banks = [module for module in model.modules() if isinstance(module, (AdapterBank, Suffix))]
    stacked = {id(p) for bank in banks for p in bank.scenario_parameters().values()}
    looked_up = {
        id(getattr(module, name)) for module in model.modules() for name in getattr(module, "looked_up", ())
    }
    vector_decay = trainer.weight_decay if trainer.vector_decay is None else trainer.vector_decay
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def decay(parameter: nn.Parameter) -> float:
        if id(parameter) in looked_up:
            return vector_decay
        return trainer.weight_decay if parameter.ndim - (id(parameter) in stacked) > 1 else 0.0

    groups = [
        {
            "params": [p for p in trainable if (id(p) in backbone) is pretrained and decay(p) == decayed],
            "weight_decay": decayed,
            "lr_scale": suffix_lr if pretrained else 1.0,
        }
        for pretrained in (False, True)
        for decayed in sorted({trainer.weight_decay, vector_decay, 0.0}, reverse=True)
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=trainer.lr, fused=True)
    for suffix in suffixes:
        suffix.follow(optimizer, trainer.steps)
    return optimizer


def learning_rate(step: int, trainer: TrainerConfig) -> float:
    """Learning rate of a step (from 0): linear warm-up, then constant, or linear or cosine to a tenth."""
    if step < trainer.warmup:
        return trainer.lr * (step + 1) / trainer.warmup
    progress = min(1.0, (step - trainer.warmup) / max(1, trainer.steps - trainer.warmup))
    falling = {"constant": 1.0, "linear": 1 - progress, "cosine": 0.5 * (1 + math.cos(math.pi * progress))}
    return trainer.lr * (0.1 + 0.9 * falling[trainer.schedule])


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of all parameters, scaled for those of the backbone."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def clip_gradients(fabric: Fabric, optimizer: torch.optim.Optimizer, router: Router | None, norm: float) -> None:
    """Scale gradients down to a norm; those of a detached router by themselves, as they are nobody else's."""
    fabric.strategy.precision.unscale_gradients(optimizer)
    apart = {id(p) for p in router.parameters()} if router is not None and router.config.detach else set()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for part in (False, True):
        own = [p for p in parameters if (id(p) in apart) is part]
        nn.utils.clip_grad_norm_(own, norm, error_if_nonfinite=False)
