"""A learner: an algorithm with what it has learned, and the scenes that it adapts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from polyscene.errors import ConfigError
from polyscene.training.fit import task_weights
from polyscene.training.meta.algorithms import ALGORITHMS
from polyscene.training.meta.config import MetaConfig
from polyscene.training.meta.groups import FastGroups
from polyscene.training.meta.protonet import Protonet
from polyscene.training.meta.scene import Scene
from polyscene.training.objective import ObjectiveContext

if TYPE_CHECKING:
    from polyscene.model import PolysceneModel


class Learner(nn.Module):
    """Adapts the scenarios of one model to few rows.

    Its state is what the algorithm learned besides the model: the inner rates of Meta-SGD, nothing for most.

    Args:
        context: config, model and scenarios.
        config: the strategy's options.

    Raises:
        ConfigError: a scenario has nothing that could be fast, or its task has no classes for prototypes.
    """

    def __init__(self, context: ObjectiveContext, config: MetaConfig) -> None:
        super().__init__()
        self.config = config
        kind = ALGORITHMS[config.algorithm]
        groups = kind.groups if config.fast is None else tuple(config.fast)
        weights = task_weights(context.scenarios)
        # Plain dictionaries: the model is no part of the learner.
        self.scenes = {}
        for name in context.names:
            fast = FastGroups(context.model, name, groups, wanted=config.fast is not None)
            self.scenes[name] = Scene(fast, weights[name], context=kind.context)
        if kind is Protonet:
            for name in context.names:
                _check_classes(context.model, name)
        self.algorithm = kind(config, {name: scene.start() for name, scene in self.scenes.items()})

    def bytes_per_task(self, name: str) -> int:
        """What a task of a scenario holds: its fast parameters."""
        return sum(value.numel() * value.element_size() for value in self.scenes[name].start().values())


def _check_classes(model: PolysceneModel, name: str) -> None:
    task = model.main_task(name)
    if not task.ranks and not task.judges:
        raise ConfigError(
            f"its task ({type(task).__name__}) has no classes, of which protonet needs two",
            where=f"scenario '{name}': strategy meta",
            fix="use another algorithm (strategy.algorithm=anil), or a ranking or click task",
        )
