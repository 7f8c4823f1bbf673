"""Fit: the training loop of one model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from polyscene.config.choice import Choice
from polyscene.config.schema import TrainConfig
from polyscene.data.phases import Phase
from polyscene.data.sampling import MixedSampler, RowSampler, Sampler, Share, WindowSampler
from polyscene.data.shots import ShotSampler
from polyscene.data.weighting import draw_weights
from polyscene.errors import PolysceneError
from polyscene.evaluation.subject import Subject
from polyscene.evaluation.validation import steering_scores
from polyscene.model import PolysceneModel
from polyscene.training.assembly import task_names
from polyscene.training.checkpoint import load_training, load_weights, save_model, save_served, save_training
from polyscene.training.held import HeldSlices, freeze_others
from polyscene.training.lifting import keep_out, let_in, lift_new_items, new_items
from polyscene.training.loading import LoadedScenario
from polyscene.training.objective import Objective, ObjectiveContext, as_curve, loss_names
from polyscene.training.optimizer import build_optimizer, clip_gradients, learning_rate, set_learning_rate
from polyscene.training.rests import Rests
from polyscene.training.settling import settle_gates
from polyscene.training.step import Step, seed_step

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# Validation looks at so many users of each scenario: enough to compare, cheap enough to do often.
_VALIDATION_USERS = 1000


@dataclass
class Progress:
    """Receives what happens during training: a progress bar, a logger, plugins.

    Args:
        started: called once with the number of steps that an earlier session finished.
        step: called after each step with the number of finished steps.
        metrics: called after each validation with the step and values such as ``{"video/ndcg@10": 0.1}``.
    """

    started: Callable[[int], None] = lambda _: None
    step: Callable[[int], None] = lambda _: None
    metrics: Callable[[int, dict[str, float]], None] = lambda *_: None


@dataclass
class State:
    """What training remembers besides weights and optimizer.

    Args:
        step: finished steps.
        best: best validation score so far, the mean over scenarios.
        best_step: when it was reached.
        waited: validations since then.
        seconds: time spent in training and validation, over all sessions.
        ended: whether training is over.
        scores: of the last validation, by scenario.
        rests: fields of :class:`polyscene.training.rests.Rests`.
    """

    step: int = 0
    best: float = -math.inf
    best_step: int = 0
    waited: int = 0
    seconds: float = 0.0
    ended: bool = False
    scores: dict[str, float] = field(default_factory=dict)
    rests: dict[str, Any] = field(default_factory=dict)


@dataclass
class Fitting:
    """Trains one model, keeps its best state in ``folder`` and leaves the model in that state.

    A folder with an unfinished state is continued, and ends with the same numbers as if it had never stopped.

    Args:
        model: the model, on the device.
        learned: what its encoders learned besides parameters, kept beside the weights.
        config: the run's config.
        scenarios: the scenarios that the model learns; others that it holds stay as they are.
        subjects: their requests, for validation.
        fabric: devices and precision.
        folder: where checkpoints go.
        progress: receives steps and metrics.
        batch_rows: rows per batch.
    """

    model: PolysceneModel
    learned: Mapping[str, Any]
    config: TrainConfig
    scenarios: Mapping[str, LoadedScenario]
    subjects: Mapping[str, Subject]
    fabric: Fabric
    folder: Path
    progress: Progress
    batch_rows: int

    def run(self) -> State:
        """Train until the last step or until validation stops improving."""
        trainer, fabric = self.config.trainer, self.fabric
        freeze_others(self.model, self.scenarios)
        context = ObjectiveContext(self.config, self.model, self.scenarios)
        objective: Objective = self.config.strategy.build().objective(context).to(fabric.device)
        plain_optimizer = build_optimizer(
            torch.nn.ModuleList([self.model, objective]), trainer, self.config.backbone.suffix_lr
        )
        modules = {"model": self.model, "objective": objective}
        keep_out(self.model, self.scenarios)
        state = State(**(load_training(self.folder, modules, plain_optimizer) or {}))
        self.progress.started(state.step)
        wrapped, optimizer = fabric.setup(self.model, plain_optimizer)
        rests = Rests(**{"after": trainer.rest_after, **state.rests})
        held = HeldSlices(self.model, rests.awake(self.scenarios))
        weights = task_weights(self.scenarios, self.config.auxiliary)
        step = Step(self.model, wrapped, fabric, weights, trainer.accumulate, self.config.seed)
        sampler = self._sampler()
        losses_so_far: list[dict[str, Tensor]] = []
        started = time.monotonic() - state.seconds
        wrapped.train()
        while state.step < trainer.steps and not state.ended:
            set_learning_rate(optimizer, learning_rate(state.step, trainer))
            if not self.model.training:  # telling hundreds of modules takes 0.6 ms
                wrapped.train()
            numbers = range(state.step * trainer.accumulate, (state.step + 1) * trainer.accumulate)
            batches = {number: sampler.draw(number, rests.resting) for number in numbers}
            for number, batch in batches.items():
                seed_step(self.config.seed, number, fabric.global_rank)
                losses = objective.backward(step, number, batch, last=number == numbers[-1])
                losses_so_far.append({name: loss.detach() for name, loss in losses.items()})
            if trainer.clip > 0:
                clip_gradients(fabric, plain_optimizer, self.model.router, trainer.clip)
            optimizer.step()
            held.put_back()
            objective.after_step(step, numbers[-1], batches[numbers[-1]], losses_so_far[-1])
            optimizer.zero_grad(set_to_none=True)
            state.step += 1
            self.progress.step(state.step)
            if state.step % trainer.eval_every == 0 or state.step == trainer.steps:
                cosines = objective.cosines(step, batches[numbers[-1]], wanted=trainer.log_cosine)
                names = loss_names(list(self.scenarios), objective)
                self._validate(state, self._over_ranks(_mean_losses(losses_so_far), names), cosines)
                losses_so_far = []
                held = self._rest(state, rests, held)
                state.seconds = time.monotonic() - started
                self._save(state, modules, plain_optimizer, objective.served())
        begun = {name: tensor.clone() for name, tensor in self.model.priors.state_dict().items()}
        load_weights(self.folder / "model.safetensors", self.model)
        # Gates on file are settled already where an earlier session got that far; they begin as they did then.
        self.model.priors.load_state_dict(begun)
        self._settle()
        self._lift()
        return state

    def _sampler(self) -> MixedSampler:
        trainer, seed = self.config.trainer, self.config.seed + 7_919 * self.fabric.global_rank
        samplers: dict[str, Sampler] = {}
        for number, (name, one) in enumerate(self.scenarios.items()):
            task, events = self.model.main_task(name), one.events.to(self.model.device)
            weights_R = draw_weights(events, task.row_weights(events), one.config.resample)
            if not task.reads_past:
                samplers[name] = RowSampler(events, seed * 1009 + number, weights_R)
                continue
            length = one.config.max_history if task.from_history else 1
            if events.labelled_R is not None:
                samplers[name] = ShotSampler(events, length)
            else:
                samplers[name] = WindowSampler(events, length, weights_R)
        share = Share(trainer.temperature, self.batch_rows, trainer.max_scenarios_per_step or len(samplers))
        shares = {name: one.config.share for name, one in self.scenarios.items()}
        return MixedSampler(samplers, shares, share, seed)

    def _validate(self, state: State, losses: dict[str, float], cosines: dict[str, float]) -> None:
        """Score the model on validation rows and update what training remembers."""
        broken = [name for name, loss in losses.items() if not math.isfinite(loss)]
        if broken:
            raise PolysceneError(
                f"the loss of {', '.join(broken)} is not a number after step {state.step}",
                where=str(self.folder),
                fix="lower trainer.lr, or set trainer.clip and trainer.precision=32-true",
            )
        self.model.eval()
        scores = steering_scores(self.model, self.subjects, self._lengths(), _VALIDATION_USERS)
        state.scores = {name: value for name, (_, value) in scores.items()}
        score = sum(state.scores.values()) / max(1, len(state.scores))
        if not state.scores:  # without validation rows the last state is kept
            state.best, state.best_step = score, state.step
        elif score > state.best:
            state.best, state.best_step, state.waited = score, state.step, 0
        else:
            state.waited += 1
            state.ended = 0 < self.config.trainer.patience <= state.waited
        values = {as_curve(name): loss for name, loss in losses.items()}
        values |= {f"{name}/{metric}": value for name, (metric, value) in scores.items()}
        self.progress.metrics(state.step, values | cosines)

    def _rest(self, state: State, rests: Rests, held: HeldSlices) -> HeldSlices:
        """Let scenarios rest or wake by the last scores; what belongs to those that rest is held as it is now."""
        if rests.judge(state.scores):
            awake = rests.awake(self.scenarios)
            held, state.ended = HeldSlices(self.model, awake), state.ended or not awake
        state.rests = vars(rests)
        return held

    def _settle(self) -> None:
        """Weigh network and priors by validation rows, of which neither knows anything."""
        # What is on file may have its lift already, where an earlier session got that far.
        let_in(self.model, self.scenarios)
        waiting = self.subjects if self.config.model.new_item_cost > 0 else ()
        found = {name: new_items(self.model, name) for name in waiting}
        without = {name: new_N for name, new_N in found.items() if new_N is not None}
        settle_gates(self.model.eval(), self.subjects, self._lengths(), without)
        if self.fabric.is_global_zero:
            save_model(self.folder, self.model, self.learned)
        self.fabric.barrier()

    def _lift(self) -> None:
        """Find how far new items may rise, where that may cost something."""
        cost = self.config.model.new_item_cost
        lifts = lift_new_items(self.model.eval(), self.subjects, self._lengths(), cost, _VALIDATION_USERS)
        if lifts and self.fabric.is_global_zero:
            save_model(self.folder, self.model, self.learned)
        self.fabric.barrier()

    def _lengths(self) -> dict[str, int]:
        """Rows of the past that the model reads, by scenario."""
        return {name: self.scenarios[name].config.max_history for name in self.subjects}

    def _over_ranks(self, losses: dict[str, float], names: list[str]) -> dict[str, float]:
        """Means over all processes, so that every one of them stops where one has lost its way."""
        if self.fabric.world_size == 1:
            return losses
        pairs = [[losses.get(name, 0.0), float(name in losses)] for name in names]
        sums: Any = self.fabric.all_reduce(torch.tensor(pairs, device=self.fabric.device), reduce_op="sum")
        sums_K2 = zip(names, sums.tolist(), strict=True)
        return {name: total / count for name, (total, count) in sums_K2 if count}

    def _save(
        self,
        state: State,
        modules: Mapping[str, torch.nn.Module],
        optimizer: torch.optim.Optimizer,
        served: torch.nn.Module | None,
    ) -> None:
        if self.fabric.is_global_zero:
            if state.best_step == state.step:
                save_model(self.folder, self.model, self.learned)
                save_served(self.folder, served)
            save_training(self.folder, modules, optimizer, vars(state))
        self.fabric.barrier()


def task_weights(
    scenarios: Mapping[str, LoadedScenario], auxiliary: Sequence[Choice] = ()
) -> dict[str, dict[str, float]]:
    """The weight of each task and of each auxiliary loss in its scenario's loss."""
    terms = {choice.name: choice.options.weight for choice in auxiliary}
    return {
        name: terms
        | dict(zip(task_names(one.scenario.tasks), (spec.weight for spec in one.scenario.tasks), strict=True))
        for name, one in scenarios.items()
    }


def rows_per_scenario(config: TrainConfig, scenarios: Mapping[str, LoadedScenario]) -> dict[str, int]:
    """Rows of each scenario in a batch of all of them, to give a single-scenario model the same."""
    rows = {name: one.split.count(Phase.TRAIN) for name, one in scenarios.items()}
    mass = {name: one.config.share * rows[name] ** config.trainer.temperature for name, one in scenarios.items()}
    total = sum(mass.values())
    return {name: max(1, round(config.trainer.batch_rows * mass[name] / total)) for name in scenarios}


def _mean_losses(steps: list[dict[str, Tensor]]) -> dict[str, float]:
    """Each scenario's mean over the steps that held it; the first moment at which the host waits."""
    names = dict.fromkeys(name for losses in steps for name in losses)
    return {name: torch.stack([one[name] for one in steps if name in one]).mean().item() for name in names}
