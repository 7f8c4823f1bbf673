"""One label of a closed set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from polyscene.errors import ConfigError
from polyscene.features.encoder import Encoder, FitContext
from polyscene.features.values import unique_labels
from polyscene.lookup import lookup


@dataclass
class CategoryEncoderConfig:
    """Options of the category encoder.

    Args:
        min_rows: labels of fewer train rows share the unknown vector, which is how that vector is trained.
    """

    min_rows: int = 2

    def __post_init__(self) -> None:
        if self.min_rows < 1:
            raise ConfigError(f"min_rows is {self.min_rows}", where="encoder 'category'", fix="use 1 or more")


class CategoryEncoder(Encoder):
    """An embedding per label, ``[..., d_model]``; index 0 is 'unknown': missing, rare or unseen."""

    config: CategoryEncoderConfig
    looked_up = ("vector_Ld",)
    label_N: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        code_N, labels = unique_labels(values)
        train_code = code_N[context.train_rows]
        rows_M = np.bincount(train_code[train_code >= 0], minlength=len(labels))
        kept = sorted(label for label, rows in zip(labels, rows_M, strict=True) if rows >= self.config.min_rows)
        self._create(kept, context)

    def fitted(self) -> dict[str, Any]:
        return {"labels": self.labels}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self._create(list(fitted["labels"]), context)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        code_N, labels = unique_labels(values)
        position = {label: index for index, label in enumerate(self.labels, start=1)}
        # The extra last entry answers the code -1 of a missing label.
        label_M = torch.tensor([*(position.get(label, 0) for label in labels), 0], dtype=torch.int32)
        self.register_rows("label_N", label_M[torch.from_numpy(code_N)])

    def forward(self, row: Tensor) -> Tensor:
        return lookup(self.vector_Ld, self.label_N[row])

    def mapped(self, row: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        # Of 22 labels in 4,096 rows of 16 numbers, layer normalization and gradient take a quarter of the time.
        if len(self.vector_Ld) < row.numel():
            return lookup(function(self.vector_Ld), self.label_N[row])
        return super().mapped(row, function)

    def _create(self, labels: list[str], context: FitContext) -> None:
        self.labels, self.out_dim = labels, context.d_model
        self.vector_Ld = nn.Parameter(0.02 * torch.randn(len(labels) + 1, context.d_model))
