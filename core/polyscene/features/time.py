"""A point in time: hour and weekday on circles, and how long ago it was."""

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
from polyscene.features.number import mean_and_std, small_network
from polyscene.features.values import numbers

_MINUTE = 60
_DAY = 24 * 60 * 60
_MINUTES_PER_DAY = 24 * 60
_MINUTES_PER_WEEK = 7 * _MINUTES_PER_DAY
_MISSING = np.iinfo(np.int32).min


@dataclass
class TimeEncoderConfig:
    """Options of the time encoder.

    Args:
        hidden: width of the hidden layer; 0 for a linear map.
    """

    hidden: int = 16

    def __post_init__(self) -> None:
        if self.hidden < 0:
            raise ConfigError(f"hidden is {self.hidden}", where="encoder 'time'", fix="use 0 (linear) or a width")


class TimeEncoder(Encoder):
    """MLP of hour of day and time of week (UTC, sine and cosine), age and gap: ``[..., d_model]``.

    Age is ``log(1 + days)`` before the last train row, 0 after it. Gap, for tables of events (the context knows
    ``user_of_row``), is ``log(1 + days)`` since the user's previous row. Both are standardized on train rows. A
    missing time, or a time of 0 (the source has none), gets a learned vector. Minutes are kept in 4 bytes a row.
    """

    config: TimeEncoderConfig
    minute_N: Tensor
    gap_N: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        time_N = _seconds(values, context)
        train = time_N[context.train_rows]
        self.last = float(np.nanmax(train)) if np.isfinite(train).any() else 0.0
        self.age = mean_and_std(_log_days(self.last - train))
        self.gap: tuple[float, float] | None = None
        if context.user_of_row is not None:
            self.gap = mean_and_std(_gaps(time_N, context.user_of_row)[context.train_rows])
        self._create(context)

    def fitted(self) -> dict[str, Any]:
        return {"last": self.last, "age": list(self.age), "gap": None if self.gap is None else list(self.gap)}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self.last, self.age = fitted["last"], tuple(fitted["age"])
        self.gap = None if fitted["gap"] is None else tuple(fitted["gap"])
        self._create(context)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        time_N = _seconds(values, context)
        minute_N = np.where(np.isnan(time_N), _MISSING, np.nan_to_num(time_N) // _MINUTE)
        self.register_rows("minute_N", torch.from_numpy(minute_N.astype(np.int32)))
        if self.gap is not None:
            mean, std = self.gap
            assert context.user_of_row is not None
            # The first row of a user has no gap: it gets the mean.
            gap_N = np.nan_to_num((_gaps(time_N, context.user_of_row) - mean) / std)
            self.register_rows("gap_N", torch.from_numpy(gap_N.astype(np.float32)))

    def forward(self, row: Tensor) -> Tensor:
        minute = self.minute_N[row]
        missing = minute == _MISSING
        minute = minute.masked_fill(missing, 0)
        day = (minute % _MINUTES_PER_DAY) * (2 * torch.pi / _MINUTES_PER_DAY)
        week = (minute % _MINUTES_PER_WEEK) * (2 * torch.pi / _MINUTES_PER_WEEK)
        age = ((int(self.last // _MINUTE) - minute).clamp(min=0) / _MINUTES_PER_DAY).log1p()
        parts = [day.sin(), day.cos(), week.sin(), week.cos(), (age - self.age[0]) / self.age[1]]
        if self.gap is not None:
            parts.append(self.gap_N[row])
        encoded = self.network(torch.stack(parts, -1).to(self.missing_d.dtype))
        return torch.where(missing.unsqueeze(-1), self.missing_d, encoded)

    def _create(self, context: FitContext) -> None:
        self.out_dim = context.d_model
        self.network = small_network(5 if self.gap is None else 6, self.config.hidden, context.d_model)
        self.missing_d = nn.Parameter(0.02 * torch.randn(context.d_model))


def _seconds(values: pd.Series, context: FitContext) -> np.ndarray:
    time_N = numbers(values, context.owner)
    time_N[time_N == 0] = np.nan
    return time_N


def _log_days(seconds: np.ndarray) -> np.ndarray:
    return np.log1p(np.maximum(seconds, 0) / _DAY)


def _gaps(time_N: np.ndarray, user_N: np.ndarray) -> np.ndarray:
    """``log(1 + days)`` since the previous row of the same user, NaN for a user's first row."""
    gap_N = np.full(len(time_N), np.nan)
    same_user = user_N[1:] == user_N[:-1]
    gap_N[1:][same_user] = _log_days(np.diff(time_N))[same_user]
    return gap_N
