"""What tests of balancers share: a model with a step, its batches, and balancers by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from polyscene.data.sampling import MixedSampler
from polyscene.training.balancers import Balancer
from polyscene.training.fit import task_weights
from polyscene.training.step import Step, seed_step
from tests.tiny import ALL, tiny_config, tiny_fitting, tiny_host

LOSS_BASED = ("mean", "uncertainty", "dwa", "stch", "famo", "geometric", "imtl_l", "random")
AGGREGATED = ("pcgrad", "cagrad", "mgda", "nash", "aligned_mtl", "imtl_g", "gradvac", "upgrad")
GRADIENT_BASED = (*AGGREGATED, "gradnorm")


def balancer(name: str, names: Iterable[str] = ALL, **options: Any) -> Balancer:
    """A balancer by name, with its defaults where no options are given."""
    component = tiny_host().component("balancer", name)
    return component.build(component.config(**options) if component.config else None, names=list(names))


def losses(**values: float) -> dict[str, Tensor]:
    """Losses by scenario, as leaves."""
    return {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}


def gradients(of: Balancer, found: dict[str, Tensor]) -> list[float]:
    """How much each loss counts."""
    return [float(g) for g in torch.autograd.grad(of(found), list(found.values()))]


def silent_step(
    scenarios: Iterable[str] = ALL, *overrides: str, accumulate: int = 1, fabric: Fabric | None = None
) -> tuple[Step, MixedSampler]:
    """A step of a fresh model in eval mode, so that rows have the same losses however they are batched."""
    fitting = tiny_fitting(tiny_config("", scenarios, *overrides), Path("unused"))
    fabric = fabric or fitting.fabric
    model = fitting.model
    wrapped = fabric.setup_module(model)
    wrapped.eval()
    return Step(model, wrapped, fabric, task_weights(fitting.scenarios), accumulate), fitting._sampler()


def step_gradients(of: Balancer, step: Step, batches: list[Any]) -> dict[str, Tensor]:
    """Gradients by parameter after the batches of one step."""
    step.model.zero_grad(set_to_none=True)
    for number, batch in enumerate(batches):
        seed_step(0, number)
        of.backward(step, batch, last=number == len(batches) - 1)
    return {name: p.grad.clone() for name, p in step.model.named_parameters() if p.grad is not None}
