"""A small table with a column of every kind, its last rows outside training, and what encoders may know of it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from polyscene.data.columns import Column, Timestamp
from polyscene.data.ids import series
from polyscene.data.tables import Tables
from polyscene.features.encoder import FitContext, SharedModules
from polyscene.graph.items import ItemGraph
from polyscene.graph.store import KnowledgeGraph

ROWS, TRAIN_ROWS = 40, 30
D_MODEL, EMBEDDING_DIM = 16, 12


def make_frame() -> pd.DataFrame:
    """40 items: ``item_id``, ``text``, ``brand``, ``path``, ``tags``, ``price``, ``timestamp``, ``entity``.

    The last 10 are outside training, some with values that training never saw, some with none.
    """
    rng = np.random.default_rng(0)
    words = np.array(["film", "war", "love", "space", "dog", "jazz", "rock"])
    old = pd.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(TRAIN_ROWS)],
            "text": [" ".join(rng.choice(words, 3)) for _ in range(TRAIN_ROWS)],
            "brand": rng.choice(["x", "y", "z"], TRAIN_ROWS),
            "tags": ["|".join(rng.choice(words, 2, replace=False)) for _ in range(TRAIN_ROWS)],
            "price": rng.lognormal(size=TRAIN_ROWS),
            "timestamp": rng.integers(1_500_000_000, 1_600_000_000, TRAIN_ROWS).astype(float),
            "entity": [f"e{n}" if n % 5 else None for n in range(TRAIN_ROWS)],
        }
    )
    new = pd.DataFrame(
        {
            "item_id": [f"new{n}" for n in range(ROWS - TRAIN_ROWS)],
            "text": ["", "unheard words", "film", "", "war dog", "love", "zz", "aa bb", "rock", "jazz"],
            "brand": [None, "new", "x", "y", "z", None, "new", "new", "x", "x"],
            "tags": ["", "unheard", "film", "war", "", "dog|zz", "zz", "jazz", "rock", "rock"],
            "price": [np.nan, 1e12, -5, 0, 1, 2, 3, np.inf, 4, np.nan],
            "timestamp": [0, 1.7e9, 1.6e9, 0, np.nan, 1.5e9, 1.5e9, 1.5e9, 1.4e9, 1.0],
            "entity": ["e30", "nobody", None, "e1", "e31", None, "e32", "nobody", "e2", ""],
        }
    )
    frame = pd.concat([old, new], ignore_index=True)
    return frame.assign(path=[" > ".join(part for part in (b, t) if part) for b, t in _paths(frame)])


def values_of(frame: pd.DataFrame, column: Column) -> pd.Series:
    """What an encoder of ``column`` reads; event times are there for every row, as in a log."""
    values = series(frame, column.name or "item_id")
    return values.fillna(0).astype(np.int64) if isinstance(column, Timestamp) and column.encoder else values


def make_context(
    frame: pd.DataFrame, shared: SharedModules | None = None, *, trained: int = TRAIN_ROWS
) -> FitContext:
    """What an encoder may know: a fake backbone, a graph, interactions of training and their ids in every space.

    Args:
        frame: the rows, as in :func:`make_frame`.
        shared: what encoders of one model share.
        trained: so many of the first rows are in training.
    """
    ids = frame["item_id"].to_numpy()
    at = np.arange(len(ids))
    pairs = pd.DataFrame({"user_id": ids[at % 7], "item_id": ids}, dtype="category")
    return FitContext(
        d_model=D_MODEL,
        train_rows=at < trained,
        shared=SharedModules() if shared is None else shared,
        embed_texts=embed_texts,
        embedding_dim=EMBEDDING_DIM,
        spaces=_EverySpace(ids[:trained]),
        train_interactions=pairs.iloc[:trained],
        tables=Tables(items=frame, interactions=pairs),
        owner="shop/items",
        user_of_row=at // 4,
        graph=item_graph(),
    )


def embed_texts(texts: Sequence[str]) -> Tensor:
    """A vector per text that depends on the text alone."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") for text in texts]
    vectors = [torch.randn(EMBEDDING_DIM, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(vectors) if vectors else torch.zeros(0, EMBEDDING_DIM)


@functools.cache
def item_graph() -> ItemGraph:
    """Entities e0 to e34, each with one of four genres and one of six directors; genres have parents."""
    facts = [(f"e{n}", "genre", f"genre{n % 4}") for n in range(35)]
    facts += [(f"director{n % 6}", "directed", f"e{n}") for n in range(35)]
    facts += [(f"genre{n}", "part of", "fiction") for n in range(4)]
    frame = pd.DataFrame(facts, columns=["head", "relation", "tail"])
    return ItemGraph(KnowledgeGraph.from_facts(frame), {f"i{n}": f"e{n}" for n in range(35) if n % 5})


def _paths(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Two levels: a brand and one of its tags."""
    return [
        (brand if isinstance(brand, str) else "", tags.split("|")[0])
        for brand, tags in zip(frame["brand"], frame["tags"], strict=True)
    ]


class _EverySpace(Mapping[str, np.ndarray]):
    """Every id space that is asked for holds the same ids, those of training."""

    def __init__(self, ids: np.ndarray) -> None:
        self.ids = np.unique(ids.astype(str))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.ids

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
