"""Learning: a scenario's own parts take in new rows, beside rows of before; all else stays bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene.config.adapt import LearnConfig as ShotConfig
from polyscene.model import PolysceneModel
from polyscene.tasks.rating import RatingTask
from polyscene.training.adapt.learn import learn
from polyscene.training.adapt.owned import Owned
from polyscene.updating.config import LearnConfig
from polyscene.updating.joining import Joined
from polyscene.updating.teaching import Teacher


@dataclass(frozen=True)
class Learned:
    """What learning changed in a model, and how it was before and after.

    Args:
        tensors: what may have changed.
        before, after: copies of them.
    """

    tensors: list[Tensor]
    before: list[Tensor]
    after: list[Tensor]

    def undo(self) -> None:
        """Give the model back what it had."""
        _put(self.tensors, self.before)

    def redo(self) -> None:
        """Give the model again what it learned."""
        _put(self.tensors, self.after)


def learn_rows(
    model: PolysceneModel,
    joined: Joined,
    config: LearnConfig,
    *,
    rated: bool,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Learned:
    """Train adapters and heads of a scenario on new rows and replayed ones; the model is in eval mode afterwards.

    Sequence model, router, what scenarios share and whatever other scenarios have stay as they are.

    Args:
        model: in eval mode, bound to all rows as they are learned from.
        joined: the scenario.
        config: steps, rates, replay and distillation.
        rated: whether the values of new rows are ratings; if not, no rating is learned.
        seed: of what is drawn.
        progress: receives the number of finished steps.
    """
    loaded, name = joined.loaded, joined.loaded.scenario.name
    new_R = joined.learned.new_R
    old_R = joined.learned.replayed(round(config.replay * int(new_R.sum())), seed)
    teacher = _teacher(model, joined, config, seed)
    owned = Owned(model, name, frozenset(model.shared.keys()), encoders=config.encoders)
    tensors = owned.tensors()
    before = [tensor.detach().clone() for tensor in tensors]
    items = joined.learned.events.item_R[new_R | old_R].long().unique()
    tasks = model.tasks_of(name)
    for task in tasks.values():
        task.admit(items)
    learn(
        model,
        joined.labelled(new_R | old_R),
        ShotConfig(steps=config.steps, lr=config.lr, weight_decay=0.0, batch=config.batch),
        owned=owned,
        seed=seed,
        rows=config.batch * loaded.config.max_history,
        progress=progress,
        beside=None if teacher is None else lambda step: config.distill * teacher.loss(step),
        without=[] if rated else [term for term, task in tasks.items() if isinstance(task, RatingTask)],
    )
    return Learned(tensors, before, [tensor.detach().clone() for tensor in tensors])


def _teacher(model: PolysceneModel, joined: Joined, config: LearnConfig, seed: int) -> Teacher | None:
    task = model.main_task(joined.loaded.scenario.name)
    old_R = joined.learned.replayed(config.remembered, seed)
    if not config.distill or not old_R.any() or not task.reads_past:
        return None
    view = joined.loaded.scenario.views[0].name
    return Teacher(model, joined.labelled(old_R), view=view, seed=seed, batch=max(1, config.batch // 2))


@torch.no_grad()
def _put(tensors: list[Tensor], values: list[Tensor]) -> None:
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)
