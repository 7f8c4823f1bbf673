"""The hierarchy encoder: a product is where it stands in the shop's departments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from polyscene import Component, Encoder, FitContext
from polyscene_ecommerce.products import SEPARATOR


@dataclass
class HierarchyConfig:
    """Options of the hierarchy encoder.

    Args:
        min_rows: a level gets a vector of its own if at least this many train rows lie below it; rarer ones
            are told by their parents alone.
        dimensions: width of the vectors; 0 takes the model's width.
    """

    min_rows: int = 2
    dimensions: int = 0


class HierarchyEncoder(Encoder):
    """``root + sum of the vectors of all known levels`` of a path such as ``GROCERY > COLD CEREAL > KIDS CEREAL``.

    A child's vector is what it adds to its parent, as in a hierarchical linear model: a child that is unknown, or
    too rare for a vector, is placed exactly at its parent, and one with few rows stays close to it.
    """

    config: HierarchyConfig
    code_NL: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        rows: Counter[str] = Counter()
        trained = values.fillna("").astype(str).to_numpy()[context.train_rows]
        for path, count in Counter(trained).items():
            rows.update(dict.fromkeys(_levels(path), count))
        self._create(sorted(level for level, count in rows.items() if count >= self.config.min_rows), context)

    def fitted(self) -> dict[str, Any]:
        return {"levels": self.levels}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self._create(list(fitted["levels"]), context)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        code_N, paths = pd.factorize(values.fillna("").astype(str))
        position = {level: index + 1 for index, level in enumerate(self.levels)}
        codes = [[position.get(level, 0) for level in _levels(path)] for path in paths]
        depth = max((len(code) for code in codes), default=0) or 1
        code_ML = torch.tensor([code + [0] * (depth - len(code)) for code in codes], dtype=torch.int32)
        self.register_rows("code_NL", code_ML.reshape(-1, depth)[torch.from_numpy(code_N)])

    def forward(self, row: Tensor) -> Tensor:
        return self.root_d + self.level_vectors(self.code_NL[row]).sum(dim=-2)

    def _create(self, levels: list[str], context: FitContext) -> None:
        self.levels, self.out_dim = levels, self.config.dimensions or context.d_model
        self.root_d = nn.Parameter(0.02 * torch.randn(self.out_dim))
        # Position 0 is 'no such level' and stays zero.
        self.level_vectors = nn.Embedding(len(levels) + 1, self.out_dim, padding_idx=0)
        with torch.no_grad():
            self.level_vectors.weight.mul_(0.02)


def _levels(path: str) -> list[str]:
    """``["A", "A > B"]`` for ``"A > B"``; nothing for an empty path."""
    parts = [part for part in path.split(SEPARATOR) if part]
    return [SEPARATOR.join(parts[: depth + 1]) for depth in range(len(parts))]


COMPONENTS = [Component("encoder", "hierarchy", HierarchyEncoder, HierarchyConfig)]
