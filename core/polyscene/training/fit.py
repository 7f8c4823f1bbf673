"""Fit: the training loop of one model."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from polyscene.config.schema import TrainConfig
from polyscene.data.phases import Phase
from polyscene.data.sampling import MixedSampler, Share, WindowSampler
from polyscene.errors import PolysceneError
from polyscene.evaluation.evaluator import Subject, model_scorer, validation_score
from polyscene.model import PolysceneModel
from polyscene.training.assembly import task_names
from polyscene.training.balancer import Balancer
from polyscene.training.checkpoint import load_training, load_weights, save_model, save_training
from polyscene.training.loading import LoadedScenario
from polyscene.training.optimizer import build_optimizer, learning_rate, set_learning_rate
from polyscene.training.step import seed_step, step_losses

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# Validation looks at so many users of each scenario: enough to compare, cheap enough to do often.
_VALIDATION_USERS = 1000


@dataclass
class Progress:
    """Receives what happens during training: a progress bar, a logger, plugins.

    Args:
        step: called after each step with the number of finished steps.
        metrics: called after each validation with the step and values such as ``{"video/ndcg@10": 0.1}``.
    """

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
    """

    step: int = 0
    best: float = -math.inf
    best_step: int = 0
    waited: int = 0
    seconds: float = 0.0
    ended: bool = False
    scores: dict[str, float] = field(default_factory=dict)


def fit(
    model: PolysceneModel,
    learned: Mapping[str, Any],
    config: TrainConfig,
    scenarios: Mapping[str, LoadedScenario],
    subjects: Mapping[str, Subject],
    fabric: Fabric,
    folder: Path,
    progress: Progress,
    *,
    steps: int,
    batch_rows: int,
) -> State:
    """Train a model, keep the best state in ``folder`` and leave the model in that state.

    A folder with an unfinished state is continued, and ends with the same numbers as if it had never stopped.

    Args:
        model: the model, on the device.
        learned: what its encoders learned besides parameters, kept beside the weights.
        config: the run's config.
        scenarios: the scenarios that the model learns.
        subjects: their requests, for validation.
        fabric: devices and precision.
        folder: where checkpoints go.
        progress: receives steps and metrics.
        steps: optimizer steps at most.
        batch_rows: rows per batch.
    """
    trainer = config.trainer
    weights = {
        name: dict(zip(task_names(one.scenario.tasks), (spec.weight for spec in one.scenario.tasks), strict=True))
        for name, one in scenarios.items()
    }
    sampler = _sampler(model, config, scenarios, batch_rows, seed=config.seed + 7_919 * fabric.global_rank)
    balancer: Balancer = config.balancer.build(names=list(scenarios)).to(fabric.device)
    optimizer = build_optimizer(torch.nn.ModuleList([model, balancer]), trainer)
    state = State(**(load_training(folder, model, optimizer) or {}))
    wrapped, optimizer = fabric.setup(model, optimizer)
    lengths = {name: one.config.max_history for name, one in scenarios.items()}
    running: list[dict[str, Tensor]] = []
    started = time.monotonic() - state.seconds
    while state.step < steps and not state.ended:
        set_learning_rate(optimizer, learning_rate(state.step, trainer, steps))
        wrapped.train()
        for micro in range(trainer.accumulate):
            number = state.step * trainer.accumulate + micro
            seed_step(config.seed, number, fabric.global_rank)
            batch = sampler.draw(number)
            with fabric.no_backward_sync(wrapped, enabled=micro < trainer.accumulate - 1):
                losses = step_losses(wrapped, batch, weights)
                fabric.backward(balancer(losses) / trainer.accumulate)
            running.append({name: loss.detach() for name, loss in losses.items()})
        if trainer.clip > 0:
            fabric.clip_gradients(wrapped, optimizer, max_norm=trainer.clip, error_if_nonfinite=False)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state.step += 1
        progress.step(state.step)
        if state.step % trainer.eval_every == 0 or state.step == steps:
            _validate(model, state, running, subjects, lengths, folder, progress, trainer.patience)
            running = []
            if fabric.is_global_zero:
                state.seconds = time.monotonic() - started
                if state.best_step == state.step:
                    save_model(folder, model, learned)
                save_training(folder, model, optimizer, vars(state))
            fabric.barrier()
    load_weights(folder / "model.safetensors", model)
    return state


def _validate(
    model: PolysceneModel,
    state: State,
    running: list[dict[str, Tensor]],
    subjects: Mapping[str, Subject],
    lengths: Mapping[str, int],
    folder: Path,
    progress: Progress,
    patience: int,
) -> None:
    """Score the model on validation rows and update what training remembers."""
    losses = {
        name: torch.stack([losses[name] for losses in running if name in losses]).mean().item()
        for name in subjects
        if any(name in losses for losses in running)
    }
    broken = [name for name, loss in losses.items() if not math.isfinite(loss)]
    if broken:
        raise PolysceneError(
            f"the loss of {', '.join(broken)} is not a number after step {state.step}",
            where=str(folder),
            fix="lower trainer.lr, or set trainer.clip and trainer.precision=32-true",
        )
    model.eval()
    with torch.inference_mode():
        scorers = {name: model_scorer(model, subject, lengths[name]) for name, subject in subjects.items()}
        state.scores = validation_score(subjects, scorers, _VALIDATION_USERS)
    score = sum(state.scores.values()) / max(1, len(state.scores))
    if not state.scores:  # without validation rows the last state is kept
        state.best, state.best_step = score, state.step
    elif score > state.best:
        state.best, state.best_step, state.waited = score, state.step, 0
    else:
        state.waited += 1
        state.ended = 0 < patience <= state.waited
    values = {f"{name}/loss": loss for name, loss in losses.items()}
    values |= {f"{name}/ndcg@10": value for name, value in state.scores.items()}
    progress.metrics(state.step, values)


def rows_per_scenario(config: TrainConfig, scenarios: Mapping[str, LoadedScenario]) -> dict[str, int]:
    """Rows of each scenario in a batch of all of them, to give a single-scenario model the same."""
    rows = {name: one.split.count(Phase.TRAIN) for name, one in scenarios.items()}
    mass = {name: one.config.share * rows[name] ** config.trainer.temperature for name, one in scenarios.items()}
    total = sum(mass.values())
    return {name: max(1, round(config.trainer.batch_rows * mass[name] / total)) for name in scenarios}


def _sampler(
    model: PolysceneModel,
    config: TrainConfig,
    scenarios: Mapping[str, LoadedScenario],
    batch_rows: int,
    seed: int,
) -> MixedSampler:
    samplers = {
        name: WindowSampler(
            one.events.to(model.device), one.config.max_history if model.main_task(name).from_history else 1
        )
        for name, one in scenarios.items()
    }
    trainer = config.trainer
    share = Share(trainer.temperature, batch_rows, trainer.max_scenarios_per_step or len(samplers))
    return MixedSampler(samplers, {name: one.config.share for name, one in scenarios.items()}, share, seed)


def append_metrics(path: Path, step: int, model: str, values: Mapping[str, float]) -> None:
    """Append values such as ``{"video/ndcg@10": 0.1}`` to metrics.jsonl, one line each."""
    with path.open("a", encoding="utf-8") as lines:
        for key, value in values.items():
            scenario, _, metric = key.partition("/")
            name = scenario if model == "joint" else f"{scenario} ({model.split('-', maxsplit=1)[0]})"
            entry = {"step": step, "scenario": name, "metric": metric, "value": value}
            lines.write(json.dumps(entry) + "\n")
