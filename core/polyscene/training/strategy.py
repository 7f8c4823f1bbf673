"""Strategies: which models are trained on which scenarios, and on what losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from polyscene.config.controls import SINGLE
from polyscene.config.schema import TrainConfig
from polyscene.errors import Problems
from polyscene.registry.components import Component
from polyscene.training.objective import Multitask, Objective, ObjectiveContext

JOINT = "joint"


@dataclass(frozen=True)
class Plan:
    """One model to train.

    Args:
        label: names the model in reports and the folder of its checkpoints.
        method: the method's name in results (``joint``, ``single``).
        scenarios: the scenarios that it has parts for.
        trained: those of them that training draws from; empty for all.
    """

    label: str
    method: str
    scenarios: tuple[str, ...]
    trained: tuple[str, ...] = ()

    @property
    def learned(self) -> tuple[str, ...]:
        """The scenarios that training draws from."""
        return self.trained or self.scenarios


class Strategy(ABC):
    """Turns the scenarios of a run into models to train.

    Args:
        config: the strategy's options.
    """

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def plans(self, scenarios: list[str]) -> list[Plan]:
        """The models, in the order in which they are trained."""

    def check(self, config: TrainConfig, problems: Problems) -> None:
        """Add what in the rest of the config does not go with this strategy."""
        return

    def objective(self, context: ObjectiveContext) -> Objective:
        """What a model is trained for: the losses of its scenarios, unless a strategy has more in mind."""
        return Multitask(context)


class Joint(Strategy):
    """One model for all scenarios, one mixed batch per step."""

    def plans(self, scenarios: list[str]) -> list[Plan]:
        return [Plan(JOINT, JOINT, tuple(scenarios))]


class Single(Strategy):
    """One model for each scenario alone: the control for negative transfer."""

    def plans(self, scenarios: list[str]) -> list[Plan]:
        return [Plan(f"{SINGLE}-{name}", SINGLE, (name,)) for name in scenarios]


COMPONENTS = [Component("strategy", "multitask", Joint), Component("strategy", "single", Single)]
