"""The strategy ``meta``: one model for all scenarios that learns to adapt from few rows."""

from __future__ import annotations

from polyscene.config.schema import TrainConfig
from polyscene.errors import Problems
from polyscene.registry.components import Component
from polyscene.training.meta.config import MetaConfig
from polyscene.training.meta.objective import MetaObjective
from polyscene.training.objective import Objective, ObjectiveContext
from polyscene.training.strategy import Joint


class Meta(Joint):
    """As multitask, with episodes beside the mixed batches: see :class:`MetaObjective`."""

    config: MetaConfig

    def objective(self, context: ObjectiveContext) -> Objective:
        return MetaObjective(context, self.config)

    def check(self, config: TrainConfig, problems: Problems) -> None:
        options = self.config
        if options.algorithm == "cavia" and "users" not in config.model.adapt:
            problems.add(
                "strategy.algorithm=cavia adapts a vector in front of the users' bank, and 'model.adapt' has none",
                fix="add users to model.adapt, or choose another algorithm",
            )
        if "suffix" in (options.fast or ()) and (config.backbone.tune == "frozen" or config.backbone.peft is None):
            problems.add("strategy.fast names 'suffix', and the backbone has no adapters", fix="add backbone=lora")
        if config.trainer.precision == "16-mixed":
            problems.add(
                "strategy=meta takes gradients of gradients, and trainer.precision=16-mixed scales losses",
                fix="use trainer.precision=bf16-mixed or 32-true",
            )


COMPONENTS = [Component("strategy", "meta", Meta, MetaConfig)]
