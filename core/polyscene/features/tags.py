"""Several labels per row: the weighted mean of their vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from polyscene.data.columns import Tags
from polyscene.errors import ConfigError, Problems
from polyscene.features.encoder import Encoder, FitContext
from polyscene.features.values import split_tags, unique_lists


@dataclass
class TagsEncoderConfig:
    """Options of the tags encoder.

    Args:
        weights: ``uniform``, or ``idf`` to let a tag count more the fewer train rows have it.
        min_rows: tags of fewer train rows are left out.
        max_tags: the first tags of a row that are kept.
    """

    weights: str = "uniform"
    min_rows: int = 1
    max_tags: int = 32

    def __post_init__(self) -> None:
        problems = Problems("encoder 'tags'")
        if self.weights not in ("uniform", "idf"):
            problems.add(f"weights is '{self.weights}'", fix="use uniform or idf")
        for name in ("min_rows", "max_tags"):
            if getattr(self, name) < 1:
                problems.add(f"{name} is {getattr(self, name)}", fix="use 1 or more")
        problems.raise_if_any(ConfigError)


class TagsEncoder(Encoder):
    """Mean of the row's tag vectors, ``[..., d_model]``, weighted by ``log((1 + D) / (1 + D_t)) + 1`` for ``idf``.

    D_t of the D train rows have tag t. Unknown tags are skipped; rows without a known tag get a learned vector.
    """

    config: TagsEncoderConfig
    looked_up = ("vector_Td",)
    tag_NL: Tensor
    weight_NL: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        code_N, lists = self._tags(values)
        rows_M = np.bincount(code_N[context.train_rows], minlength=len(lists))
        found: Counter[str] = Counter()
        for tags, rows in zip(lists, rows_M, strict=True):
            if rows:
                found.update(dict.fromkeys(tags, int(rows)))
        kept = sorted(tag for tag, rows in found.items() if rows >= self.config.min_rows)
        if self.config.weights == "idf":
            rows_t = np.array([found[tag] for tag in kept], dtype=np.float64)
            weights = (1 + np.log((1 + context.train_rows.sum()) / (1 + rows_t))).tolist()
        else:
            weights = [1.0] * len(kept)
        self._create(dict(zip(kept, weights, strict=True)), context)

    def fitted(self) -> dict[str, Any]:
        return {"weights": self.weights}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self._create(dict(fitted["weights"]), context)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        code_N, lists = self._tags(values)
        position = {tag: index for index, tag in enumerate(self.weights, start=1)}
        known = [[tag for tag in dict.fromkeys(tags) if tag in position][: self.config.max_tags] for tags in lists]
        longest = max(1, *(len(tags) for tags in known)) if known else 1
        tag_ML = np.zeros((len(known), longest), dtype=np.int32)
        weight_ML = np.zeros((len(known), longest), dtype=np.float32)
        # A row without known tags is a bag of the one vector at position 0.
        weight_ML[:, 0] = 1
        for row, tags in enumerate(known):
            if tags:
                weight = np.array([self.weights[tag] for tag in tags])
                tag_ML[row, : len(tags)] = [position[tag] for tag in tags]
                weight_ML[row, : len(tags)] = weight / weight.sum()
        self.register_rows("tag_NL", torch.from_numpy(tag_ML[code_N]))
        self.register_rows("weight_NL", torch.from_numpy(weight_ML[code_N]))

    def forward(self, row: Tensor) -> Tensor:
        bag = row.reshape(-1)
        weight = self.weight_NL[bag].to(self.vector_Td.dtype)
        mean = nn.functional.embedding_bag(self.tag_NL[bag], self.vector_Td, per_sample_weights=weight, mode="sum")
        return mean.reshape(*row.shape, self.out_dim)

    def _create(self, weights: dict[str, float], context: FitContext) -> None:
        self.weights, self.out_dim = weights, context.d_model
        self.vector_Td = nn.Parameter(0.02 * torch.randn(len(weights) + 1, context.d_model))

    def _tags(self, values: pd.Series) -> tuple[np.ndarray, list[list[str]]]:
        return unique_lists(values, split_tags(self.column.separator if isinstance(self.column, Tags) else "|"))
