"""Which scenario's adapter a row of token states goes through, while a batch is inside the backbone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from polyscene.adapters.bank import Routing, routed

# The code of the pretrained model hands nothing through to its linear layers. A context variable does, for each
# thread on its own, and a layer that is called outside of it fails instead of taking some scenario's adapter.
_CURRENT: ContextVar[Routing] = ContextVar("routing of the batch inside the backbone")


@contextmanager
def rows_of(routing: Routing) -> Iterator[None]:
    """Within the block the B rows of a batch are routed so."""
    token = _CURRENT.set(routing)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def own(parameter_K: Tensor) -> Tensor:
    """Each row's slice ``[B, ...]`` of a stacked parameter ``[K, ...]``."""
    return routed(parameter_K, _CURRENT.get())


def own_scale(parameter_Ki: Tensor) -> Tensor:
    """Each row's vector, to be multiplied with states: ``[B, 1, i]``, or ``[i]`` where all rows have the same."""
    alone = _only_scenario()
    return parameter_Ki[alone] if alone is not None else own(parameter_Ki).unsqueeze(1)


def own_linear(x_BLi: Tensor, weight_Koi: Tensor) -> Tensor:
    """``x_b W_k(b)^T`` for each row b: ``[B, L, o]``.

    Where rows of a scenario are neighbors, a product for each scenario; else each row brings its own copy of the
    weights, which are small here, into one batched product.
    """
    routing = _CURRENT.get()
    if routing.segments is None:
        return torch.bmm(x_BLi, routed(weight_Koi, routing).transpose(1, 2))
    parts = [x_BLi[start:stop] @ weight_Koi[k].T for k, start, stop in routing.segments]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _only_scenario() -> int | None:
    segments = _CURRENT.get().segments
    return segments[0][0] if segments is not None and len(segments) == 1 else None
