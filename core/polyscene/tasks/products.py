"""Tasks whose scores are inner products: what an item brings to a score is the same whoever asks."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from polyscene.tasks.task import Task


class ProductTask(Task):
    """Scores ``<q(h_u), k(x_i)> + b_i``.

    Keys and biases are computed once for a catalogue and kept; an index over them answers requests
    (:mod:`polyscene.retrieval`). A view may change what is asked, and not what items are.
    """

    @abstractmethod
    def queries(self, h_Bd: Tensor, view: str) -> Tensor:
        """Queries ``[B, e]`` of adapted states for a view."""

    @abstractmethod
    def keys(self, x_Nd: Tensor, items_N: Tensor) -> tuple[Tensor, Tensor]:
        """Keys ``[N, e]`` and biases ``[N]`` of items ``items_N`` with vectors ``x_Nd``."""

    def scores(self, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str) -> Tensor:
        key_Ne, bias_N = self.keys(x_Nd, items_N)
        return self.queries(h_Bd, view) @ key_Ne.T + bias_N
