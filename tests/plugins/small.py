"""Small inputs for the parts of plugins: windows, events and fit contexts, each in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from polyscene import Catalogue, DataAccess, Events, FitContext, Phase, Windows
from polyscene.data.datasets import DataSet
from polyscene.features.encoder import SharedModules


def data_access(
    declared: Mapping[str, DataSet], root: Path | None, cache: Path, *, offline: bool = True
) -> DataAccess:
    """Access to the declared data sets in ``root`` alone, whatever the environment says."""
    access = DataAccess(root, cache, offline, declared)
    access.root = root
    return access


def context(train_rows: Sequence[bool] | np.ndarray, **more: Any) -> FitContext:
    """A context of width 8 with a fake backbone that counts letters."""

    def embed(texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([[float(text.count(letter)) for letter in "abcdef"] for text in texts])

    options: dict[str, Any] = {"d_model": 8, "shared": SharedModules(), "embedding_dim": 6, "owner": "test/items"}
    return FitContext(train_rows=np.asarray(train_rows, dtype=bool), embed_texts=embed, **(options | more))


def pairs(rows: Sequence[tuple[str, ...]], names: Sequence[str] = ("user_id", "item_id")) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(names))


def windows(
    item_BT: Any, value_BT: Any = None, valid_BT: Any = None, columns: Mapping[str, Any] | None = None
) -> Windows:
    item = torch.as_tensor(item_BT)
    return Windows(
        user_B=torch.zeros(len(item), dtype=torch.int64),
        row_BT=torch.zeros_like(item),
        valid_BT=torch.ones_like(item, dtype=torch.bool) if valid_BT is None else torch.as_tensor(valid_BT),
        item_BT=item,
        value_BT=torch.ones(item.shape) if value_BT is None else torch.as_tensor(value_BT),
        time_BT=torch.zeros_like(item),
        columns={name: torch.as_tensor(column) for name, column in (columns or {}).items()},
        ordered=True,
    )


def events(
    items_of_user: Sequence[Sequence[int]], n_items: int, columns: Mapping[str, Any] | None = None
) -> Events:
    """Training rows only."""
    stops = np.cumsum([len(items) for items in items_of_user])
    start_UP = torch.from_numpy(np.stack([np.append(0, stops[:-1])] + [stops] * len(Phase), axis=1))
    item_R = torch.tensor([item for items in items_of_user for item in items], dtype=torch.int32)
    return Events(
        item_R=item_R,
        value_R=torch.ones(len(item_R)),
        time_R=torch.zeros(len(item_R), dtype=torch.int64),
        start_UP=start_UP,
        n_items=n_items,
        cold_N=torch.zeros(n_items, dtype=torch.bool),
        cold_U=torch.zeros(len(start_UP), dtype=torch.bool),
        columns={name: torch.as_tensor(column) for name, column in (columns or {}).items()},
    )


class FixedCatalogue(Catalogue):
    """Item vectors that are given."""

    def __init__(self, x_Nd: torch.Tensor) -> None:
        self.x_Nd, self.n_items = x_Nd, len(x_Nd)

    def all(self) -> torch.Tensor:
        return self.x_Nd

    def take(self, items: torch.Tensor) -> torch.Tensor:
        return self.x_Nd[items]
