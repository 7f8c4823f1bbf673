"""Vectors of entities that a task keeps for itself."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from polyscene.lookup import lookup
from polyscene.tasks.task import Catalogue


class OwnVectors(nn.Module, Catalogue):
    """A free vector for each entity: what published models of graphs learn, with no columns and no adapter.

    Args:
        n_items: number of entities N.
        width: of a vector.
        std: standard deviation at the start.
    """

    looked_up: ClassVar[tuple[str, ...]] = ("vector_Nd",)

    def __init__(self, n_items: int, width: int, std: float) -> None:
        super().__init__()
        self.n_items = n_items
        self.vector_Nd = nn.Parameter(std * torch.randn(n_items, width))

    def all(self) -> Tensor:
        return self.vector_Nd

    def take(self, items: Tensor) -> Tensor:
        return lookup(self.vector_Nd, items)
