"""A small world in which every registered component can be built."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from polyscene.adapters import COMPONENTS as ADAPTERS
from polyscene.data.columns import Category, Column, Id, Number, Tags, Text, Timestamp
from polyscene.features import COMPONENTS as FEATURES
from polyscene.features import FitContext, SharedModules
from polyscene.graph import KnowledgeGraph
from polyscene.graph.items import ItemGraph
from polyscene.registry.components import Component, Registry
from polyscene.sequence import COMPONENTS as SEQUENCES

D_MODEL = 16
EMBEDDING_DIM = 12
TRAIN_ROWS = 30


def registry() -> Registry:
    return Registry([*FEATURES, *SEQUENCES, *ADAPTERS])


def make_frame() -> pd.DataFrame:
    """40 items, the last 10 outside training and with values that training never saw."""
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
            "item_id": [f"new{n}" for n in range(10)],
            "text": ["", "unheard words", "film", "", "war dog", "love", "zz", "aa bb", "rock", "jazz"],
            "brand": [None, "new", "x", "y", "z", None, "new", "new", "x", "x"],
            "tags": ["", "unheard", "film", "war", "", "dog|zz", "zz", "jazz", "rock", "rock"],
            "price": [np.nan, 1e12, -5, 0, 1, 2, 3, np.inf, 4, np.nan],
            "timestamp": [0, 1.7e9, 1.6e9, 0, np.nan, 1.5e9, 1.5e9, 1.5e9, 1.4e9, 1.0],
            "entity": ["e30", "nobody", None, "e1", "e31", None, "e32", "nobody", "e2", ""],
        }
    )
    return pd.concat([old, new], ignore_index=True)


def column_for(encoder: str) -> Column:
    """The column of the small world that an encoder reads; a new encoder is added here to be tested."""
    return {
        "text": Text(),
        "tfidf": Text(encoder="tfidf"),
        "id": Id(),
        "category": Category("brand"),
        "tags": Tags("tags"),
        "number": Number("price"),
        "time": Timestamp(),
        "kgat": Column("entity", encoder="kgat"),
        "side_vectors": Column("entity", encoder="side_vectors"),
    }[encoder]


@functools.cache
def item_graph() -> ItemGraph:
    """Entities e0 to e34, each with one of four genres and one of six directors; genres have parents."""
    facts = [(f"e{n}", "genre", f"genre{n % 4}") for n in range(35)]
    facts += [(f"director{n % 6}", "directed", f"e{n}") for n in range(35)]
    facts += [(f"genre{n}", "part of", "fiction") for n in range(4)]
    frame = pd.DataFrame(facts, columns=["head", "relation", "tail"])
    return ItemGraph(KnowledgeGraph.from_facts(frame), {f"i{n}": f"e{n}" for n in range(35) if n % 5})


def embed_texts(texts: Sequence[str]) -> Tensor:
    """A vector per text that depends on the text alone."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") for text in texts]
    return torch.stack(
        [torch.randn(EMBEDDING_DIM, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )


def make_context(rows: int, shared: SharedModules | None = None) -> FitContext:
    return FitContext(
        d_model=D_MODEL,
        train_rows=np.arange(rows) < TRAIN_ROWS,
        shared=SharedModules() if shared is None else shared,
        embed_texts=embed_texts,
        embedding_dim=EMBEDDING_DIM,
        owner="shop/items",
        user_of_row=np.arange(rows) // 4,
        graph=item_graph(),
    )


def default_build(component: Component, **context: Any) -> Any:
    """The component with its default options."""
    return component.build(component.config() if component.config else None, **context)


def randomize(module: nn.Module, seed: int = 0) -> None:
    """Give every parameter that can be trained random values, as if it had been."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in filter(lambda p: p.requires_grad, module.parameters()):
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))


def round_trip(module: nn.Module, into: nn.Module, path: Path) -> None:
    """Save ``module`` as safetensors and load it into another one of the same make."""
    save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, path)
    into.load_state_dict(load_file(path))
