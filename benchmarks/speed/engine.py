"""The engine's training of one model, step by step, as :class:`polyscene.training.fit.Fitting` does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch import nn

from polyscene.config.schema import TrainConfig
from polyscene.registry.host import Host
from polyscene.training.assembly import build_model
from polyscene.training.fit import Fitting, Progress, task_weights
from polyscene.training.objective import ObjectiveContext
from polyscene.training.optimizer import build_optimizer, clip_gradients
from polyscene.training.session import Session, prepare_torch
from polyscene.training.step import Step, seed_step

Side = TypeVar("Side", bound=Hashable)


class Training:
    """A training that has been set up and is driven from outside.

    Args:
        config: what is trained, and on what device.
        host: the plugins.
        fabric: devices and precision; made from the config where it is None.
        change: replaces the wrapped model, such as by a compiled one.
    """

    def __init__(
        self,
        config: TrainConfig,
        host: Host,
        fabric: Fabric | None = None,
        change: Callable[[Any], Any] = lambda wrapped: wrapped,
    ) -> None:
        trainer = config.trainer
        self.config = config
        prepare_torch(config)
        self.fabric = fabric or Fabric(accelerator=trainer.accelerator, devices=1, precision=trainer.precision)
        session = Session(config, host, self.fabric.device, say=lambda _: None)
        loaded = session.load()
        self.model, learned = build_model(session, loaded)
        context = ObjectiveContext(config, self.model, loaded.scenarios)
        self.objective = config.strategy.build().objective(context).to(self.fabric.device)
        self.plain = build_optimizer(nn.ModuleList([self.model, self.objective]), trainer)
        self.sampler = Fitting(
            *(self.model, learned, config, loaded.scenarios, {}, self.fabric, Path(), Progress()),
            trainer.batch_rows,
        )._sampler()
        wrapped, self.optimizer = self.fabric.setup(self.model, self.plain)
        self.wrapped = change(wrapped)
        weights = task_weights(loaded.scenarios)
        self.context = Step(self.model, self.wrapped, self.fabric, weights, 1, config.seed)

    def step(self, number: int) -> dict[str, torch.Tensor]:
        """One whole step, from drawing the batch; its losses."""
        self.wrapped.train()
        batch = self.sampler.draw(number)
        seed_step(self.config.seed, number, self.fabric.global_rank)
        losses = self.objective.backward(self.context, number, batch, last=True)
        clip_gradients(self.fabric, self.plain, self.model.router, self.config.trainer.clip)
        self.optimizer.step()
        self.objective.after_step(self.context, number, batch, losses)
        self.optimizer.zero_grad(set_to_none=True)
        return losses


def take_turns(
    sides: Mapping[Side, Callable[[int], Any]], rounds: int, steps: int, *, warm_up: int = 3
) -> dict[Side, list[float]]:
    """Processor seconds of a step of each side, one value per round; every other round in the opposite order."""
    for step in sides.values():
        for number in range(warm_up):
            step(number)
    found: dict[Side, list[float]] = {side: [] for side in sides}
    for turn in range(rounds):
        for side in list(sides) if turn % 2 else reversed(list(sides)):
            started = time.process_time()
            for number in range(turn * steps, (turn + 1) * steps):
                sides[side](number)
            found[side].append((time.process_time() - started) / steps)
    return found
