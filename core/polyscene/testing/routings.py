"""The same routing of rows said in several ways."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polyscene.adapters.bank import Routing

SCENARIOS = 4
WAYS = ("index", "segments", "pieces", "weights")


def routing_of(way: str, counts: Sequence[tuple[int, int]], dtype: torch.dtype = torch.float32) -> Routing:
    """The routing of rows that lie scenario by scenario.

    Args:
        way: one of :data:`WAYS`; ``pieces`` are short segments, as there are where a batch holds many scenarios.
        counts: ``[(scenario, number of rows), ...]``.
        dtype: of weights.
    """
    if way == "pieces":
        return Routing.of_segments([(k, piece) for k, count in counts for piece in _cut(count)], "cpu")
    by_segments = Routing.of_segments(list(counts), "cpu")
    assert by_segments.index_N is not None
    if way == "segments":
        return by_segments
    if way == "weights":
        one_hot_NK = torch.nn.functional.one_hot(by_segments.index_N, SCENARIOS)
        return Routing(weights_NK=one_hot_NK.to(dtype))
    return Routing(index_N=by_segments.index_N)


def rows(count: int, width: int, seed: int = 0) -> Tensor:
    """Random vectors ``[N, d]``."""
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def _cut(count: int) -> list[int]:
    """Pieces of up to seven rows."""
    return [min(7, count - start) for start in range(0, count, 7)]
