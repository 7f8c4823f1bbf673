"""A real number: standardized on train rows, then a small network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from polyscene.errors import ConfigError
from polyscene.features.encoder import Encoder, FitContext
from polyscene.features.values import numbers

# Standard deviations beyond which a value is cut: one wild value must not dominate a batch.
_LIMIT = 10.0


@dataclass
class NumberEncoderConfig:
    """Options of the number encoder.

    Args:
        log: take ``sign(x) log(1 + |x|)`` first, for counts and prices.
        hidden: width of the hidden layer; 0 for a linear map.
    """

    log: bool = False
    hidden: int = 16

    def __post_init__(self) -> None:
        if self.hidden < 0:
            raise ConfigError(
                f"hidden is {self.hidden}", where="encoder 'number'", fix="use 0 (linear) or a width"
            )


class NumberEncoder(Encoder):
    """``MLP((x - mean) / std)``: ``[..., d_model]``; missing values get a learned vector."""

    config: NumberEncoderConfig
    value_N: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        value_N = self._read(values, context)[context.train_rows]
        self.mean, self.std = mean_and_std(value_N)
        self._create(context)

    def fitted(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self.mean, self.std = fitted["mean"], fitted["std"]
        self._create(context)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        value_N = np.clip((self._read(values, context) - self.mean) / self.std, -_LIMIT, _LIMIT)
        self.register_rows("value_N", torch.from_numpy(value_N.astype(np.float32)))

    def forward(self, row: Tensor) -> Tensor:
        value = self.value_N[row].unsqueeze(-1)
        return torch.where(value.isnan(), self.missing_d, self.network(value.nan_to_num()))

    def _read(self, values: pd.Series, context: FitContext) -> np.ndarray:
        value_N = numbers(values, context.owner)
        return np.sign(value_N) * np.log1p(np.abs(value_N)) if self.config.log else value_N

    def _create(self, context: FitContext) -> None:
        self.out_dim = context.d_model
        self.network = small_network(1, self.config.hidden, context.d_model)
        self.missing_d = nn.Parameter(0.02 * torch.randn(context.d_model))


def mean_and_std(value: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the values that are not NaN; a deviation of 0 is given as 1."""
    known = value[~np.isnan(value)]
    if not len(known):
        return 0.0, 1.0
    std = float(known.std())
    return float(known.mean()), std if std > 0 else 1.0


def small_network(in_dim: int, hidden: int, out_dim: int) -> nn.Module:
    """``Linear -> GELU -> Linear``, or one ``Linear`` where ``hidden`` is 0."""
    if not hidden:
        return nn.Linear(in_dim, out_dim)
    return nn.Sequential(nn.Linear(in_dim, hidden), nn.GELU(), nn.Linear(hidden, out_dim))
