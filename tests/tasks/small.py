"""Small events, windows and catalogues for tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.windows import Windows
from polyscene.registry.components import Registry
from polyscene.tasks.task import Catalogue, TaskContext


class Table(Catalogue):
    """A catalogue whose vectors are given."""

    def __init__(self, x_Nd: Tensor) -> None:
        self.x_Nd, self.n_items = x_Nd, len(x_Nd)

    def all(self) -> Tensor:
        return self.x_Nd

    def take(self, items: Tensor) -> Tensor:
        return self.x_Nd[items]


def make_events(
    train: Sequence[int],
    n_items: int,
    *,
    test: Sequence[int] = (),
    value: Sequence[float] | None = None,
    time: Sequence[int] | None = None,
    columns: Mapping[str, Tensor] | None = None,
) -> Events:
    """One user with training and test rows; values and times are given for both in this order."""
    rows = len(train) + len(test)
    return Events(
        item_R=torch.tensor([*train, *test], dtype=torch.int32),
        value_R=torch.tensor(value if value is not None else np.ones(rows), dtype=torch.float32),
        time_R=torch.tensor(time if time is not None else np.zeros(rows), dtype=torch.int64),
        start_UP=torch.tensor([[0, len(train), len(train), len(train), rows, rows]]),
        n_items=n_items,
        cold_N=torch.zeros(n_items, dtype=torch.bool),
        cold_U=torch.zeros(1, dtype=torch.bool),
        columns=columns or {},
    )


def make_windows(
    item_BT: Sequence[Sequence[int]],
    *,
    valid_BT: Sequence[Sequence[bool]] | None = None,
    value_BT: Sequence[Sequence[float]] | None = None,
    user_B: Sequence[int] | None = None,
    columns: Mapping[str, Tensor] | None = None,
) -> Windows:
    item = torch.tensor(item_BT)
    return Windows(
        user_B=torch.tensor(user_B) if user_B is not None else torch.arange(len(item)),
        row_BT=torch.zeros_like(item),
        valid_BT=torch.tensor(valid_BT) if valid_BT is not None else torch.ones_like(item, dtype=torch.bool),
        item_BT=item,
        value_BT=torch.tensor(value_BT) if value_BT is not None else torch.ones(item.shape),
        time_BT=torch.zeros_like(item),
        columns=columns or {},
        ordered=True,
    )


def make_context(events: Events, registry: Registry, d_model: int = 4) -> TaskContext:
    return TaskContext(d_model, events, registry, where="test")
