"""How old an article is, against the newest one that training knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from polyscene import Component, Encoder, FitContext


@dataclass
class FreshnessConfig:
    """Options of the freshness encoder.

    Args:
        half_lives: hours after which an article is half as fresh, one feature each.
    """

    half_lives: tuple[float, ...] = (2.0, 12.0, 72.0)


class FreshnessEncoder(Encoder):
    """``[..., d_model]``: a linear map of ``2 ** (-age / half-life)`` for several half-lives, and of being known.

    The age is counted back from the newest article of training, in hours; what is newer is as fresh as can be.
    """

    config: FreshnessConfig
    feature_NF: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        known = values[context.train_rows].dropna()
        self.newest = float(known.max()) if len(known) else 0.0
        self._create(context)

    def fitted(self) -> dict[str, Any]:
        return {"newest": self.newest}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self.newest = float(fitted["newest"])
        self._create(context)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        second_N = values.to_numpy(dtype=np.float64, na_value=np.nan)
        hours_N = np.clip(self.newest - second_N, 0, None) / 3600
        fresh_NF = np.exp2(-hours_N[:, None] / np.array(self.config.half_lives))
        known_N1 = np.isfinite(second_N)[:, None]
        features = np.concatenate([np.where(known_N1, fresh_NF, 0.0), known_N1], axis=1)
        self.register_rows("feature_NF", torch.from_numpy(features.astype(np.float32)))

    def forward(self, row: Tensor) -> Tensor:
        return self.linear(self.feature_NF[row])

    def _create(self, context: FitContext) -> None:
        self.out_dim = context.d_model
        self.linear = nn.Linear(len(self.config.half_lives) + 1, self.out_dim)


COMPONENTS = [Component("encoder", "freshness", FreshnessEncoder, FreshnessConfig)]
