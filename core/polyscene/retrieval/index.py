"""An index: what finds the best items of a catalogue by inner products."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from polyscene.retrieval.approximate import Approximate
from polyscene.retrieval.best import Best, Wanted
from polyscene.retrieval.config import RetrievalConfig
from polyscene.retrieval.exact import Exact


class Index(Protocol):
    """Keys ``[N, e]`` and biases ``[N]`` of a catalogue, kept to be searched."""

    def search(self, query_Be: Tensor, wanted: Wanted) -> Best:
        """The items with the best ``<q, k_i> + b_i`` for each of B queries."""
        ...

    def scores(self, query_Be: Tensor) -> Tensor:
        """``<q, k_i> + b_i`` of all items, ``[B, N]``."""
        ...


def build_index(exact: Exact, config: RetrievalConfig) -> Index:
    """The index of a catalogue: exact, or approximate where the config says so and the catalogue is on a CPU.

    An accelerator searches millions of items exactly in less time than an approximate index takes on its host.

    Raises:
        ConfigError: an approximate index is asked for, and its package is not installed.
    """
    if 0 < config.approximate_above < exact.n_items and exact.key_eN.is_cpu:
        return Approximate(exact, config.probes)
    return exact
