"""Before labels are used: adapters and sequence model learn to tell histories apart, from rows alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polyscene.auxiliary.histories import HistoryContrast
from polyscene.config.schema import TrainConfig
from polyscene.data.sampling import MixedSampler, Share, WindowSampler
from polyscene.data.windows import Windows
from polyscene.errors import ConfigError, PolysceneError
from polyscene.model import PolysceneModel
from polyscene.training.checkpoint import load_training, save_training
from polyscene.training.held import HeldSlices, freeze_others
from polyscene.training.loading import LoadedScenario
from polyscene.training.optimizer import build_optimizer, clip_gradients, learning_rate, set_learning_rate
from polyscene.training.step import seed_step

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_SEED = 104_729
"""Added to the run's seed, so that the windows are not those of the training that follows."""


@dataclass
class HistoryFitting:
    """Trains a model on the contrast of its histories for ``trainer.pretrain_steps`` steps.

    Training rows are all that is read, whether they are labelled or not; heads and users' own vectors stay as they
    are. A folder with an unfinished state is continued, and ends with the same numbers as if it had never stopped.

    Args:
        model: the model, on the device.
        config: the run's config.
        scenarios: the scenarios that the model learns.
        fabric: devices and precision.
        folder: where the state is kept.
        batch_rows: rows per batch.
        advance: told the number of finished steps.
    """

    model: PolysceneModel
    config: TrainConfig
    scenarios: Mapping[str, LoadedScenario]
    fabric: Fabric
    folder: Path
    batch_rows: int
    advance: Callable[[int], None] = lambda _: None

    def run(self) -> list[float]:
        """The mean loss of every stretch of ``trainer.eval_every`` steps, in nats.

        Raises:
            ConfigError: no scenario has histories.
            PolysceneError: the loss is not a number.
        """
        trainer = replace(self.config.trainer, steps=self.config.trainer.pretrain_steps)
        contrast = _Contrast(self.model, self.scenarios)
        sampler = self._sampler(contrast.names)
        freeze_others(self.model, self.scenarios)
        plain_optimizer = build_optimizer(self.model, trainer, self.config.backbone.suffix_lr)
        state = State(**(load_training(self.folder, {"model": self.model}, plain_optimizer) or {}))
        self.advance(state.step)
        wrapped, optimizer = self.fabric.setup(contrast, plain_optimizer)
        held = HeldSlices(self.model, self.scenarios)
        losses: list[Tensor] = []
        while state.step < trainer.steps:
            set_learning_rate(optimizer, learning_rate(state.step, trainer))
            wrapped.train()
            for place in range(trainer.accumulate):
                number = state.step * trainer.accumulate + place
                seed_step(self.config.seed + _SEED, number, self.fabric.global_rank)
                with self.fabric.no_backward_sync(wrapped, enabled=place + 1 < trainer.accumulate):
                    loss = wrapped(sampler.draw(number))
                    self.fabric.backward(loss / trainer.accumulate)
                losses.append(loss.detach())
            if trainer.clip > 0:
                clip_gradients(self.fabric, plain_optimizer, self.model.router, trainer.clip)
            optimizer.step()
            held.put_back()
            optimizer.zero_grad(set_to_none=True)
            state.step += 1
            self.advance(state.step)
            if state.step % trainer.eval_every == 0 or state.step == trainer.steps:
                self._keep(state, losses, plain_optimizer)
                losses = []
        return state.losses

    def _keep(self, state: State, losses: list[Tensor], optimizer: torch.optim.Optimizer) -> None:
        state.losses.append(torch.stack(losses).mean().item())
        if not math.isfinite(state.losses[-1]):
            raise PolysceneError(
                f"the contrast of histories is not a number after step {state.step}",
                where=str(self.folder),
                fix="lower trainer.lr, or set trainer.clip and trainer.precision=32-true",
            )
        if self.fabric.is_global_zero:
            save_training(self.folder, {"model": self.model}, optimizer, vars(state))
        self.fabric.barrier()

    def _sampler(self, names: list[str]) -> MixedSampler:
        trainer, seed = self.config.trainer, self.config.seed + _SEED + 7_919 * self.fabric.global_rank
        samplers = {
            name: WindowSampler(
                replace(self.scenarios[name].events.to(self.model.device), labelled_R=None),
                self.scenarios[name].config.max_history,
            )
            for name in names
        }
        share = Share(trainer.temperature, self.batch_rows, trainer.max_scenarios_per_step or len(samplers))
        return MixedSampler(samplers, {name: self.scenarios[name].config.share for name in names}, share, seed)


@dataclass
class State:
    """What is remembered besides weights and optimizer: finished steps, and the mean loss of each stretch."""

    step: int = 0
    losses: list[float] = field(default_factory=list)


class _Contrast(nn.Module):
    """The contrast alone, of a model whose config names it: ``forward(windows by scenario) -> loss``."""

    def __init__(self, model: PolysceneModel, scenarios: Mapping[str, LoadedScenario]) -> None:
        super().__init__()
        self.model = model
        terms = [module for module in model.auxiliaries.values() if isinstance(module, HistoryContrast)]
        self.names = [name for name in scenarios if terms and terms[0].concerns(model, name)]
        if not self.names:
            raise ConfigError(
                "there are no histories to learn from before labels are used",
                where="trainer.pretrain_steps",
                fix="add auxiliary=[{name: history_contrast}] and a scenario whose task reads the past, or use 0",
            )
        self.term = terms[0]

    def forward(self, batch: Mapping[str, Windows]) -> Tensor:
        losses = [
            self.term.loss(self.model, name, windows, self.model.catalogue(name))
            for name, windows in batch.items()
        ]
        for bank in self.model.banks():
            bank.settle()
        return torch.stack(losses).mean()
