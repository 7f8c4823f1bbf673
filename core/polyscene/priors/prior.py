"""The contract of a prior: what counting says of items, beside what the network says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from polyscene.config.validate import bounded
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows

if TYPE_CHECKING:
    from polyscene.data.tables import Tables


@dataclass
class PriorConfig:
    """Options of every prior; a component's own config adds to them.

    Args:
        first_gate: the gate's value before anything is learned.
    """

    first_gate: float = bounded(1.0, at_least=0)


@dataclass(frozen=True)
class PriorData:
    """What a prior may read when it is built.

    Args:
        where: the scenario, for messages.
        events: its rows, on the device.
        tables: its tables; rows of users and items are numbered as in ``events``.
        own_item_U: where items are people, the item that each user is; None elsewhere.
        item_vectors: gives text vectors ``[N, h]`` of the items from the backbone's store, None where they have no
            text.
    """

    where: str
    events: Events
    tables: Tables
    own_item_U: Tensor | None
    item_vectors: Callable[[], Tensor | None]


class Prior(nn.Module, ABC):
    """Scores items for histories from statistics of known rows; nothing is learned but its gate.

    One that reads the items' texts says so (``reads_texts``): the control ``id_only`` leaves it out. So does one
    that says what completes a fact (``of_facts``): what it gets as a history is the one row that is asked for,
    with its head as the user, its relation as a column, and N, which is no item, for the entity to be found.

    A score of 0 says nothing of an item, as of one that no row holds; scores do not depend on the batch. Where a
    row is learned from, the statistics must not know it: ``hidden`` are rows of the same user that they hold and
    that are to be left out, and the scores are those of statistics that never counted them, exactly.

    Args:
        config: the prior's options.
        data: see :class:`PriorData`.

    Raises:
        DataError: the data cannot support the prior; the message names one that it can.
    """

    reads_texts: ClassVar[bool] = False
    of_facts: ClassVar[bool] = False

    def __init__(self, config: Any, data: PriorData) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        """Count the labelled rows of some phases, instead of those counted before."""

    @abstractmethod
    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        """Scores ``[Q, N]`` of all items for Q histories.

        Args:
            past: rows ``[Q, L]`` that each user had before, oldest first, padded at the end.
            hidden: rows ``[Q, H]`` of the same users to be left out of the statistics; None where they hold none.
        """

    def receive(self, data: PriorData) -> None:
        """Serve the items and users of these tables, the last of which are new."""
        return
