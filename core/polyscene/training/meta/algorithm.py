"""The contract of an algorithm of meta-learning, and what it knows of tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from polyscene.training.meta.config import MetaConfig
from polyscene.training.meta.inner import FastParameters, Rates, descend, settle


class Tasks(Protocol):
    """E tasks that have all begun alike: what an algorithm adapts to and is judged by.

    Attributes:
        count: number of tasks E.
    """

    count: int

    def start(self) -> FastParameters:
        """Where every task begins, differentiable by the model's parameters."""
        ...

    def support(self, fast: FastParameters) -> Tensor:
        """Losses ``[E]`` on the rows that are adapted to, from fast parameters ``[E, ...]``."""
        ...

    def query(self, fast: FastParameters) -> Tensor:
        """Losses ``[E]`` on the rows that come later."""
        ...

    def prototypes(self) -> FastParameters:
        """Mean vectors ``[E, 2, d]`` of the support rows of either class, by their fast name."""
        ...


class Algorithm(nn.Module, ABC):
    """How fast parameters are adapted to few rows, and what the model learns from how well that went.

    Args:
        config: the strategy's options.
        starts: the start of tasks of each scenario, for algorithms that keep something for every fast parameter.

    Attributes:
        groups: the parameters that are fast unless the config names others, see
            :data:`polyscene.training.meta.groups.GROUPS`.
        context: whether a vector in front of the bank of users is fast too, 0 when a task begins.
    """

    groups: ClassVar[tuple[str, ...]] = ("adapter", "head")
    context: ClassVar[bool] = False

    def __init__(self, config: MetaConfig, starts: Mapping[str, FastParameters]) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def loss(self, tasks: Tasks) -> Tensor:
        """What training minimizes: a loss ``[E]`` of every task after adaptation."""

    @abstractmethod
    def adapt(self, tasks: Tasks) -> FastParameters:
        """Fast parameters ``[E, ...]`` for serving, detached."""


class GradientAlgorithm(Algorithm):
    """Algorithms whose adaptation is gradient descent on the support rows.

    Attributes:
        second_order: whether training derives through the inner steps.
    """

    second_order: ClassVar[bool] = True

    def loss(self, tasks: Tasks) -> Tensor:
        fast = descend(
            tasks.support,
            start := tasks.start(),
            tasks.count,
            self.rates(start),
            self.config.inner_steps,
            second_order=self.second_order,
        )
        return tasks.query(fast)

    def adapt(self, tasks: Tasks) -> FastParameters:
        with torch.no_grad():
            start = tasks.start()
            rates = self.rates(start)
        return settle(tasks.support, start, tasks.count, rates, self.config.inner_steps)

    def rates(self, start: FastParameters) -> Rates:
        """The inner learning rates of fast parameters."""
        return float(self.config.inner_lr)
