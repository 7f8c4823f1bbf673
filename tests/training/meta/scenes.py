"""Scenes of the tiny model, and a plain loop over their tasks."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from polyscene.data.windows import Windows
from polyscene.model import PolysceneModel
from polyscene.training.meta.config import MetaConfig
from polyscene.training.meta.episodes import Episodes
from polyscene.training.meta.inner import FastParameters
from polyscene.training.meta.learner import Learner
from polyscene.training.meta.objective import MetaObjective
from polyscene.training.objective import ObjectiveContext
from tests.tiny import tiny_model

SMALL = {"support": 3, "query": 2, "tasks": 3, "inner_steps": 2, "inner_lr": 0.05}


def objective(
    names: tuple[str, ...], *overrides: str, double: bool = False, **options: object
) -> tuple[MetaObjective, PolysceneModel]:
    """An untrained objective on a tiny model in eval mode, nudged away from its start."""
    model, loaded, config = tiny_model(names, *overrides)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    model = (model.double() if double else model).eval()
    context = ObjectiveContext(config, model, loaded.scenarios)
    return MetaObjective(context, MetaConfig(**{**SMALL, **options})), model  # type: ignore[arg-type]


def one_task(windows: Windows, rows: slice) -> Windows:
    """The windows of one task."""
    tensors = {key: value[rows] for key, value in vars(windows).items() if isinstance(value, Tensor)}
    return replace(windows, **tensors, columns={key: value[rows] for key, value in windows.columns.items()})


def plain_loop(learner: Learner, name: str, episodes: Episodes, rate: float, steps: int, *, order: int) -> Tensor:
    """Query losses ``[E]``, task after task, with nothing vectorized and nothing computed twice by one formula."""
    scene, queries = learner.scenes[name], []
    each = len(episodes.support_BT) // episodes.count
    common = scene.common(torch.tensor(0.5))
    for task in range(episodes.count):
        rows = slice(task * each, (task + 1) * each)
        windows = one_task(episodes.windows, rows)

        def mean(fast: FastParameters, chosen: Tensor, windows: Windows = windows) -> Tensor:
            losses = scene.losses(fast, windows, scene.given(windows, common), common)
            return losses[chosen].sum() / chosen.sum().clamp(min=1)

        fast = {
            key: value if value.requires_grad else value.requires_grad_() for key, value in scene.start().items()
        }
        for _ in range(steps):
            gradients = torch.autograd.grad(
                mean(fast, episodes.support_BT[rows]),
                list(fast.values()),
                create_graph=order > 1,
                allow_unused=True,
            )
            fast = {
                key: value if g is None else value - rate * g
                for (key, value), g in zip(fast.items(), gradients, strict=True)
            }
        queries.append(mean(fast, episodes.query_BT[rows]))
    return torch.stack(queries)
