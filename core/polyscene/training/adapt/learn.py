"""Learning from shots: so many steps on all of them, with no validation rows, which would be further labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from polyscene.config.adapt import LearnConfig
from polyscene.config.schema import TrainerConfig
from polyscene.data.events import Events
from polyscene.data.sampling import RowSampler, Sampler, WindowSampler, step_generator
from polyscene.data.shots import ShotSampler
from polyscene.data.windows import Windows, windows_of_rows
from polyscene.model import PolysceneModel
from polyscene.model.catalogue import ModelCatalogue
from polyscene.tasks.task import PairTask
from polyscene.training.adapt.owned import Owned
from polyscene.training.fit import task_weights
from polyscene.training.loading import LoadedScenario
from polyscene.training.optimizer import build_optimizer, learning_rate, set_learning_rate
from polyscene.training.repeatable import repeatable_attention
from polyscene.training.step import seed_step, step_losses


def learn(
    model: PolysceneModel,
    one: LoadedScenario,
    config: LearnConfig,
    *,
    owned: Owned | None,
    seed: int,
    rows: int,
    progress: Callable[[int], None] = lambda _: None,
    beside: Callable[[int], Tensor] | None = None,
    without: Collection[str] = (),
) -> None:
    """Train a model on the labelled rows of one scenario and leave it in eval mode.

    Args:
        model: holds the scenario.
        one: its data.
        config: steps and rates.
        owned: what may change; ``None`` trains the whole model.
        seed: of the order of rows and of dropout.
        rows: rows of a step where all rows are labelled.
        progress: receives the number of finished steps.
        beside: gives a further loss of each step.
        without: names of tasks that learn nothing, as the rows do not hold what they are about.
    """
    name, events = one.scenario.name, one.events.to(model.device)
    sampler, count = _sampler(model, one, events, config, rows=rows, seed=seed)
    if not sampler.n_rows or not config.steps:
        model.eval()
        return
    trainer = TrainerConfig(
        steps=config.steps, lr=config.lr, weight_decay=config.weight_decay, warmup=max(1, config.steps // 10)
    )
    optimizer = build_optimizer(model, trainer)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    begun = [parameter.detach().clone() for parameter in parameters] if config.pull else []
    weights = {task: weight for task, weight in task_weights({name: one})[name].items() if task not in without}
    model.train()
    for step in range(config.steps):
        rate = learning_rate(step, trainer)
        set_learning_rate(optimizer, rate)
        windows = sampler.draw(count, step_generator(seed, step, model.device), step * count)
        seed_step(seed, step)
        with repeatable_attention(model.device):
            loss = _loss(model, name, events, windows, weights)
            if beside is not None:
                loss = loss + beside(step)
        if not loss.requires_grad:
            break  # neither adapter nor task has anything to learn, and encoders stay: the model is what it was
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        for parameter, start in zip(parameters, begun, strict=bool(begun)):
            parameter.detach().lerp_(start, min(1.0, rate * config.pull))
        for bank in model.banks():
            bank.settle()
        if owned is not None:
            owned.put_back()
        progress(step + 1)
    model.eval()


def _sampler(
    model: PolysceneModel, one: LoadedScenario, events: Events, config: LearnConfig, *, rows: int, seed: int
) -> tuple[Sampler, int]:
    """What draws the windows of a step, and how many."""
    task = model.main_task(one.scenario.name)
    if not task.reads_past:
        sampler = RowSampler(events, seed, task.row_weights(events))
        return sampler, min(sampler.n_rows, config.batch if events.labelled_R is not None else rows)
    length = one.config.max_history if task.from_history else 1
    if events.labelled_R is None:
        return WindowSampler(events, length, task.row_weights(events)), max(1, rows // length)
    shots = ShotSampler(events, length)
    return shots, min(shots.n_rows, config.batch)


def _loss(
    model: PolysceneModel, name: str, events: Events, windows: Windows, weights: Mapping[str, float]
) -> Tensor:
    task = model.main_task(name)
    if windows.labelled_BT is None or not (task.from_history and task.reads_past):
        losses = step_losses(_own_terms(model, weights), {name: windows}, {name: weights})
        return losses[name]
    past, shot = apart(events, windows)
    catalogue = model.catalogue(name)
    _encode_once(catalogue, past.item_BT)
    h_Bd = model.user_states(name, past, catalogue)
    terms = []
    for term, one in ((term, one) for term, one in model.tasks_of(name).items() if term in weights):
        if isinstance(one, PairTask):
            item_B = shot.item_BT[:, 0]
            logit_B = model.pair_logits(name, one, h_Bd, catalogue.take(shot.item_BT)[:, 0], item_B)
            loss = one.pair_loss(logit_B, shot.value_BT[:, 0])
        else:
            loss = one.loss(h_Bd.unsqueeze(1), shot, catalogue)
        terms.append(weights[term] * loss.mean())
    return torch.stack(terms).sum()


def _encode_once(catalogue: ModelCatalogue, items: Tensor) -> None:
    """Encode each item of several pasts once: of 256 pasts of 50 artists, two thirds stand in another one too."""
    item_N, place = items.unique(return_inverse=True)
    adapted_Nd, plain_Nd = catalogue.encode(item_N, 0), catalogue.encode(item_N, 1)
    catalogue.keep(items, adapted_Nd[place], plain_Nd[place])


def _own_terms(
    model: PolysceneModel, weights: Mapping[str, float]
) -> Callable[[Mapping[str, Windows]], dict[str, dict[str, Tensor]]]:
    """The model's losses without those of the router and of auxiliaries."""

    def losses(batch: Mapping[str, Windows]) -> dict[str, dict[str, Tensor]]:
        return {
            name: {term: loss for term, loss in terms.items() if term in weights}
            for name, terms in model(batch).items()
        }

    return losses


def apart(events: Events, windows: Windows) -> tuple[Windows, Windows]:
    """What came before the shots ``[B, T]``, and the shots ``[B, 1]``: no other step needs a loss."""
    assert windows.labelled_BT is not None
    place_B1 = windows.labelled_BT.float().argmax(dim=1, keepdim=True)
    before_BT = windows.valid_BT & ~windows.labelled_BT
    if windows.together:
        before_BT = before_BT & (windows.time_BT != windows.time_BT.gather(1, place_B1))
    row_B1 = windows.row_BT.gather(1, place_B1)
    shot = windows_of_rows(events, windows.user_B, row_B1, torch.ones_like(row_B1, dtype=torch.bool))
    return replace(windows, valid_BT=before_BT, labelled_BT=None), shot
