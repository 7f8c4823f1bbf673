"""The task contract: what a scenario learns from its adapted states and item vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.registry.components import Registry


@dataclass(frozen=True)
class TaskContext:
    """What a task knows when it is built.

    Args:
        d_model: width of states and item vectors.
        events: the scenario's events; tasks may read statistics of ``Phase.TRAIN`` rows only.
        registry: for the loss that the config names.
        where: the scenario, for error messages.
    """

    d_model: int
    events: Events
    registry: Registry
    where: str = ""


class Catalogue(ABC):
    """Adapted item vectors of one scenario in one step.

    Attributes:
        n_items: number of items N.
        whole: whether a training step may ask for all of them; False where encoding an item runs a network.
    """

    n_items: int
    whole: bool = True

    @abstractmethod
    def all(self) -> Tensor:
        """Vectors ``[N, d]`` of every item."""

    @abstractmethod
    def take(self, items: Tensor) -> Tensor:
        """Vectors ``[..., d]`` of the given items (int64 ``[...]``)."""


class Task(nn.Module, ABC):
    """Head, loss and scores of one thing that a scenario learns.

    The engine gives states *before* each step of a window, so a task compares ``h[:, t]`` with what happens at
    step ``t``. Losses are per step; reduction, balancing and masking of padded steps are the engine's.

    Attributes:
        ranks: whether :meth:`scores` orders items for recommendation.
        from_history: whether states come from the user's history; otherwise :meth:`query` makes them.
    """

    ranks: ClassVar[bool] = True
    from_history: ClassVar[bool] = True

    def __init__(self, config: Any, context: TaskContext) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        """Loss ``[B, T]`` of every step; values at padded steps are ignored."""

    @abstractmethod
    def scores(self, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str) -> Tensor:
        """Scores ``[B, N]`` of items ``items_N`` with vectors ``x_Nd`` for a view; higher is better."""

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        """Count statistics that scores use on the rows of these phases; nothing is learned.

        Called when more rows are known than in training: validation rows at the test, the latest at serving.
        """

    def query(self, windows: Windows, catalogue: Catalogue) -> Tensor:
        """States ``[B, T, d]`` of tasks that do not read a history."""
        raise NotImplementedError(f"{type(self).__name__} reads states from the history")
