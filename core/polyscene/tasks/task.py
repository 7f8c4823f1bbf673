"""The task contract: what a scenario learns from its adapted states and item vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.registry.components import Registry

if TYPE_CHECKING:
    from polyscene.backbone import Backbone
    from polyscene.data.scenario import Scenario
    from polyscene.data.tables import Tables
    from polyscene.features.encoder import SharedModules


@dataclass(frozen=True)
class TaskContext:
    """What a task knows when it is built.

    Args:
        d_model: width of states and item vectors.
        events: the scenario's events; tasks may read statistics of ``Phase.TRAIN`` rows only.
        registry: for the loss that the config names.
        where: the scenario, for error messages.
        scenario: what the plugin declares.
        tables: the scenario's data; rows of users and items are numbered as in ``events``.
        backbone: for tasks that have texts of their own.
        shared: modules that all scenarios share.
        restored: whether a checkpoint will bring what the task has learned.
    """

    d_model: int
    events: Events
    registry: Registry
    where: str = ""
    scenario: Scenario | None = None
    tables: Tables | None = None
    backbone: Backbone | None = None
    shared: SharedModules | None = None
    restored: bool = False


class Catalogue(ABC):
    """Adapted item vectors of one scenario in one step.

    Attributes:
        n_items: number of items N.
        whole: whether a training step may ask for all of them; False where encoding an item runs a network.
        hidden_N: bool, the items that this step takes for new ones (content dropout); None where it hides none.
    """

    n_items: int
    whole: bool = True
    hidden_N: Tensor | None = None

    @abstractmethod
    def all(self) -> Tensor:
        """Vectors ``[N, d]`` of every item."""

    @abstractmethod
    def take(self, items: Tensor) -> Tensor:
        """Vectors ``[..., d]`` of the given items (int64 ``[...]``)."""

    def draw(self, share_N: Tensor, count: int) -> Tensor:
        """Items ``[C]`` drawn in proportion to shares ``[N]``, with replacement: negatives of a step."""
        return torch.multinomial(share_N, count, replacement=True)

    def peers(self, windows: Windows, share_N: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Items ``[C]`` of valid steps of the batch, drawn with replacement, and their vectors ``[C, d]``.

        Args:
            windows: the batch.
            share_N: in which shares items come up there.
            count: number of items C.
        """
        # Padded steps must not serve as negatives, so draw from valid ones (weight 0 elsewhere).
        drawn_C = torch.multinomial(windows.valid_BT.flatten().float(), count, replacement=True)
        return windows.item_BT.flatten()[drawn_C], self.take(windows.item_BT).flatten(0, 1)[drawn_C]


class Task(nn.Module, ABC):
    """Head, loss and scores of one thing that a scenario learns.

    The engine gives states *before* each step of a window, so a task compares ``h[:, t]`` with what happens at
    step ``t``. Losses are per step; reduction, balancing and masking of padded steps are the engine's.

    Attributes:
        ranks: whether :meth:`scores` orders items for recommendation.
        from_history: whether states are those of users; otherwise :meth:`query` makes them.
        reads_past: whether the state of a user sees the rows before a step; else it is the user's vector alone.
        compares_all: whether a step compares with the whole catalogue, so that it pays to encode that at once.
        judges: whether rows are judged one by one, where other tasks rank the items.
        shareable: whether domains of one scenario can have the task in common: all that it keeps is learned.
        reads_together: whether it scores by :meth:`joint_scores`, from what is asked and not from a state.
        alone: whether a scenario that learns it can learn nothing else.
    """

    ranks: ClassVar[bool] = True
    from_history: ClassVar[bool] = True
    reads_past: bool = True
    compares_all: ClassVar[bool] = True
    judges: ClassVar[bool] = False
    shareable: ClassVar[bool] = False
    reads_together: bool = False
    alone: ClassVar[bool] = False

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

    def row_weights(self, events: Events) -> Tensor | None:
        """How often each event row is to be drawn in training, ``[R]``; None where all rows count the same."""
        return None

    @classmethod
    def texts(cls, config: Any, context: TaskContext) -> Sequence[str]:
        """Texts that the task has encoded beside those of columns: they go through the backbone before training.

        Args:
            config: an instance of the task's config class.
            context: as when the task is built, before there are shared modules.

        Raises:
            PolysceneError: there is no way to make them.
        """
        return ()

    def joint_scores(self, windows: Windows, items_N: Tensor) -> Tensor:
        """Scores ``[B, N]`` of items, each read together with what windows of one row ask."""
        raise NotImplementedError(f"{type(self).__name__} scores items by states")

    def receive(self, n_items: int) -> None:
        """Serve so many items, the last of them new: what is kept per item gets what stands for an unknown one."""
        return

    def admit(self, items: Tensor) -> None:
        """Learn from rows of these items (int64 ``[M]``) from now on, which training may not have held.

        What was counted before, by :meth:`observe`, stays.
        """
        return

    def query(self, windows: Windows, catalogue: Catalogue) -> Tensor:
        """States ``[B, T, d]`` of tasks that do not read a history."""
        raise NotImplementedError(f"{type(self).__name__} reads states from the history")


class PairTask(Task):
    """A task that judges pairs of a user and an item: will it be clicked?

    It may make one vector of the two, which the engine adapts to the scenario before it is judged.

    Attributes:
        adapts_pairs: whether it makes such vectors.
    """

    adapts_pairs: bool = False

    compares_all: ClassVar[bool] = False
    judges: ClassVar[bool] = True
    shareable: ClassVar[bool] = True

    def recall(self, user_B: Tensor, item_B: Tensor | None) -> Tensor | None:
        """What the task itself knows of users and adds to their vectors ``[B, d]``, None where that is nothing.

        Args:
            user_B: int64 user indices.
            item_B: what each is about to meet in training, of which nothing may be told; None when serving.
        """
        return None

    @abstractmethod
    def pairs(self, h: Tensor, x: Tensor) -> Tensor | None:
        """Vectors to be adapted, of states and item vectors, all ``[..., d]``; None where it makes none."""

    @abstractmethod
    def logits(self, h: Tensor, x: Tensor, item: Tensor, pair: Tensor | None = None) -> Tensor:
        """Log odds ``[...]`` of a positive, from states, item vectors, item indices and adapted pairs."""

    @abstractmethod
    def pair_loss(self, logit: Tensor, value: Tensor) -> Tensor:
        """Loss ``[...]`` of log odds against values (float32 ``[...]``, in the units of the data)."""

    @abstractmethod
    def labels(self, value: Tensor) -> Tensor:
        """bool ``[...]``: which values are positive."""

    def decides(self, logit: Tensor) -> Tensor:
        """bool ``[...]``: which log odds are enough to take a row for a positive."""
        return logit > 0

    def settle(self, logit_M: Tensor, label_M: Tensor) -> None:
        """Choose what :meth:`decides` on validation rows: their log odds ``[M]`` and bool labels."""
        return

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        x_BTd = catalogue.take(windows.item_BT)
        return self.pair_loss(
            self.logits(h_BTd, x_BTd, windows.item_BT, self.pairs(h_BTd, x_BTd)), windows.value_BT
        )
