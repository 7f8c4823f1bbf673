"""The item vectors of one step: each computed once, whoever asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyscene.features.entity import EntityEncoder
from polyscene.features.part import PartEncoder
from polyscene.tasks.task import Catalogue

if TYPE_CHECKING:
    from polyscene.model.network import PolysceneModel

# Items that are encoded at once: what encoders compute on the way is many times as wide as the vectors.
_PORTION = 1 << 16


class ModelCatalogue(Catalogue):
    """Item vectors of one step: small catalogues at once, large ones as needed."""

    def __init__(self, model: PolysceneModel, name: str) -> None:
        self.model, self.name = model, name
        self.n_items = model.n_items[name]
        self.whole = not model.items[name].is_costly
        self.hidden_N = _items(model, name).draw_hidden(self.n_items, model.device)
        self._all: tuple[Tensor, Tensor] | None = None
        self._taken: dict[int, tuple[Tensor, tuple[Tensor, Tensor]]] = {}

    @property
    def plain(self) -> Catalogue:
        """The same vectors before the item bank.

        Made anew for whoever asks: kept here it would hold a step's tensors until garbage is collected.
        """
        return _Plain(self)

    def all(self) -> Tensor:
        return self.encode_all()[0]

    def take(self, items: Tensor) -> Tensor:
        return self.encode(items, 0)

    def encode_all(self) -> tuple[Tensor, Tensor]:
        """Vectors ``[N, d]`` of every item, adapted and plain."""
        if self._all is None:
            item_N = torch.arange(self.n_items, device=self.model.device)
            parts = [self._both(item_P) for item_P in item_N.split(_PORTION)]
            adapted, plain = zip(*parts, strict=True)
            self._all = parts[0] if len(parts) == 1 else (torch.cat(adapted), torch.cat(plain))
        return self._all

    def keep(self, items: Tensor, adapted: Tensor, plain: Tensor) -> None:
        """Remember vectors ``[..., d]`` of items that a training step computed elsewhere."""
        self._taken[id(items)] = (items, (adapted, plain))

    def encode(self, items: Tensor, stage: int) -> Tensor:
        """Vectors ``[..., d]`` of items, adapted (stage 0) or plain (stage 1)."""
        if id(items) in self._taken:
            return self._taken[id(items)][1][stage]
        # Judging asks for costly items by the thousand, in one request after the other.
        at_once = self.n_items <= self.model.whole_catalogue_items if self.whole else not self.model.training
        if self._all is not None or at_once:
            return self.encode_all()[stage][items]
        if not self.model.training:
            return self._both(items)[stage]
        # A step asks for the items of its windows again and again: as history, as targets, for each task.
        self.keep(items, *self._both(items))
        return self._taken[id(items)][1][stage]

    def _both(self, items: Tensor) -> tuple[Tensor, Tensor]:
        item_N = items.flatten()
        plain_Nd = self.model.items[self.name](item_N, None if self.hidden_N is None else self.hidden_N[item_N])
        adapted_Nd = self.model.adapt_items(self.name, plain_Nd)
        return adapted_Nd.view(*items.shape, -1), plain_Nd.view(*items.shape, -1)


def _items(model: PolysceneModel, name: str) -> EntityEncoder | PartEncoder:
    items = model.items[name]
    assert isinstance(items, EntityEncoder | PartEncoder)
    return items


class _Plain(Catalogue):
    """Item vectors as encoders make them, which no scenario's adapter has touched."""

    def __init__(self, of: ModelCatalogue) -> None:
        self.of, self.n_items, self.whole = of, of.n_items, of.whole

    def all(self) -> Tensor:
        return self.of.encode_all()[1]

    def take(self, items: Tensor) -> Tensor:
        return self.of.encode(items, 1)
