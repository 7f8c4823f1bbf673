"""Stand-in: what new items need in place of ids, learned without touching anything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polyscene.auxiliary.auxiliary import Auxiliary, AuxiliaryConfig
from polyscene.auxiliary.windows import first_windows
from polyscene.config.validate import bounded
from polyscene.data.windows import Windows
from polyscene.features.entity import EntityEncoder
from polyscene.features.part import PartEncoder
from polyscene.tasks.task import Catalogue

if TYPE_CHECKING:
    from polyscene.model.catalogue import ModelCatalogue
    from polyscene.model.network import PolysceneModel


@dataclass
class StandInConfig(AuxiliaryConfig):
    """Options of the stand-in, beside those of every auxiliary loss.

    Args:
        weight: as of every auxiliary loss; nothing else learns from this one, so that it hardly matters.
        windows: at most so many windows of each scenario in a step.
    """

    weight: float = bounded(1.0, at_least=0)
    windows: int = bounded(64, at_least=1)


class StandInLoss(Auxiliary):
    """The loss of a scenario's own task if all items were new, by which only the stand-ins for ids learn.

    States, content and adapters are taken as they are, so known items are served as well as without this loss,
    which content dropout cannot promise: it hides ids from the same training that needs them.

    Args:
        config: see :class:`StandInConfig`.
        context: see :class:`polyscene.auxiliary.AuxiliaryContext`.
    """

    config: StandInConfig

    def concerns(self, model: PolysceneModel, name: str) -> bool:
        task = model.main_task(name)
        reads = task.from_history and task.reads_past and task.ranks and not task.reads_together
        return super().concerns(model, name) and reads and _items(model, name).has_stand_in

    def loss(
        self,
        model: PolysceneModel,
        name: str,
        windows: Windows,
        catalogue: ModelCatalogue,
        h_BTd: Tensor | None = None,
    ) -> Tensor:
        assert h_BTd is not None
        task, some = model.main_task(name), first_windows(windows, self.config.windows)
        with frozen(model.item_bank, task):
            loss_BT = task.loss(h_BTd[: len(some.user_B)].detach(), some, _NewItems(model, name, catalogue))
        return torch.where(some.valid_BT, loss_BT, 0.0).sum() / some.valid_BT.sum().clamp(min=1)


class _NewItems(Catalogue):
    """The catalogue of a step as if no id were known."""

    def __init__(self, model: PolysceneModel, name: str, of: Catalogue) -> None:
        self.model, self.name = model, name
        self.n_items, self.whole = of.n_items, of.whole
        self.hidden_N = torch.ones(self.n_items, dtype=torch.bool, device=model.device)
        self._all_Nd: Tensor | None = None

    def all(self) -> Tensor:
        if self._all_Nd is None:
            self._all_Nd = self._vectors(torch.arange(self.n_items, device=self.model.device))
        return self._all_Nd

    def take(self, items: Tensor) -> Tensor:
        if self._all_Nd is not None or (self.whole and self.n_items <= self.model.whole_catalogue_items):
            return self.all()[items]
        return self._vectors(items.flatten()).view(*items.shape, -1)

    def _vectors(self, item_M: Tensor) -> Tensor:
        return self.model.adapt_items(self.name, _items(self.model, self.name).as_new(item_M))


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """What is computed inside teaches these modules nothing."""
    learning = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_()


def _items(model: PolysceneModel, name: str) -> EntityEncoder | PartEncoder:
    items = model.items[name]
    assert isinstance(items, EntityEncoder | PartEncoder)
    return items
