"""The items of an episode: encoded once for all tasks where encoders are slow, adapted by each task."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from polyscene.data.windows import Windows
from polyscene.tasks.task import Catalogue

Vectors = Callable[[Tensor], Tensor]
"""From items ``[...]`` or vectors ``[..., d]`` to vectors ``[..., d]``."""


class Drawn:
    """Negatives of an episode, the same for all its tasks and inner steps.

    Systematic sampling: with one random offset, C evenly spaced places on the cumulated shares. An item is drawn
    ``C q`` times in expectation, as in C independent draws, with less variance.

    Args:
        offset: a random number from 0 to 1, as a tensor without dimensions.
        encode: gives item vectors; None where a task's parameters decide them.
    """

    def __init__(self, offset: Tensor, encode: Vectors | None) -> None:
        self.offset, self.encode = offset, encode
        self.uniform: dict[int, Tensor] = {}
        self.items: dict[tuple[int, int], Tensor] = {}
        self.vectors: dict[int, Tensor] = {}

    def spread(self, n_items: int, count: int) -> Tensor:
        """C items ``[C]``, all N alike."""
        if n_items not in self.uniform:
            self.uniform[n_items] = torch.ones(n_items, device=self.offset.device)
        return self.draw(self.uniform[n_items], count)

    def draw(self, share_N: Tensor, count: int) -> Tensor:
        """C items ``[C]`` in proportion to their shares."""
        key = id(share_N), count
        if key not in self.items:
            place_C = (self.offset.double() + torch.arange(count, device=share_N.device)) / count
            cumulated_N = share_N.double().cumsum(0)
            item_C = torch.searchsorted(cumulated_N, place_C * cumulated_N[-1], right=True)
            item_C = item_C.clamp(max=len(share_N) - 1)
            # An item of no share must never come up, and rounding could bring it: a device adds in any order.
            item_C = torch.where(share_N[item_C] > 0, item_C, share_N.argmax())
            self.items[key] = item_C
            if self.encode is not None:
                self.vectors[id(item_C)] = self.encode(item_C)
        return self.items[key]


class EpisodeCatalogue(Catalogue):
    """Item vectors of one scenario as one task sees them.

    Args:
        n_items: number of items N.
        encode: gives vectors of items.
        adapt: makes them the task's own.
        drawn: the negatives.
        whole: whether a task may ask for all items.
        all_Nd: all items' vectors where they are known, not adapted yet.
    """

    def __init__(
        self,
        n_items: int,
        encode: Vectors,
        adapt: Vectors,
        drawn: Drawn,
        *,
        whole: bool = True,
        all_Nd: Tensor | None = None,
    ) -> None:
        self.n_items, self.whole = n_items, whole
        self.encode, self.adapt, self.drawn, self.all_Nd = encode, adapt, drawn, all_Nd
        self._adapted_Nd: Tensor | None = None
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def keep(self, items: Tensor, x: Tensor) -> None:
        """Know vectors ``[..., d]`` of items, not adapted yet."""
        self._kept[id(items)] = items, self.adapt(x)

    def all(self) -> Tensor:
        if self._adapted_Nd is None:
            plain_Nd = self.all_Nd
            if plain_Nd is None:
                plain_Nd = self.encode(torch.arange(self.n_items, device=self.drawn.offset.device))
            self._adapted_Nd = self.adapt(plain_Nd)
        return self._adapted_Nd

    def take(self, items: Tensor) -> Tensor:
        if id(items) not in self._kept:
            known = self.drawn.vectors.get(id(items))
            if known is None:
                known = self.encode(items) if self.all_Nd is None else self.all_Nd[items]
            self.keep(items, known)
        return self._kept[id(items)][1]

    def draw(self, share_N: Tensor, count: int) -> Tensor:
        return self.drawn.draw(share_N, count)

    def peers(self, windows: Windows, share_N: Tensor, count: int) -> tuple[Tensor, Tensor]:
        # A task must not see the rows of others; items come up among them in the same shares.
        item_C = self.draw(share_N, count)
        return item_C, self.take(item_C)

    def spread(self, count: int) -> Tensor:
        """Items ``[C]``, drawn from the whole catalogue alike."""
        return self.drawn.spread(self.n_items, count)
