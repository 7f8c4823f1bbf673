"""When a film was watched: the gap to the previous one, the place in the session, the time of day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from polyscene import Component, Encoder, FitContext

_DAY = 86_400
_LONGEST_GAP = 365 * _DAY
_FIRST = -1.0


@dataclass
class WatchGapConfig:
    """Options of the watch-gap encoder.

    Args:
        bins: number of soft bins of the log gap between a second and a year.
        session_minutes: a longer gap starts a new session.
    """

    bins: int = 8
    session_minutes: float = 30.0


class WatchGapEncoder(Encoder):
    """Encodes each step of a watch history by its time alone: ``[..., d_model]``.

    Features of a row, all known when it happens: ``log(1 + gap)`` to the viewer's previous row in ``bins`` soft
    bins (Gaussian, evenly spaced between 0 and a year), whether there was a previous row, the log of how many rows
    the session had before it, and the time of day (UTC) as two harmonics. Then one linear map.

    The column holds unix seconds; ``FitContext.user_of_row`` tells viewers apart (rows of a viewer are neighbors,
    oldest first). Nothing is estimated from data, so there is nothing that could leak.
    """

    config: WatchGapConfig
    log_gap_R: Tensor
    position_R: Tensor
    second_R: Tensor
    center_K: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        self._create(context.d_model)

    def fitted(self) -> dict[str, Any]:
        return {}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self._create(context.d_model)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        time_R = values.to_numpy(dtype=np.int64)
        users_R = np.zeros(len(time_R), dtype=np.int64) if context.user_of_row is None else context.user_of_row
        gap_R, position_R = gaps_and_positions(time_R, users_R, 60 * self.config.session_minutes)
        log_gap_R = np.where(gap_R < 0, _FIRST, np.log1p(np.clip(gap_R, 0, _LONGEST_GAP)))
        self.register_rows("log_gap_R", torch.from_numpy(log_gap_R.astype(np.float32)))
        self.register_rows("position_R", torch.from_numpy(position_R.astype(np.int32)))
        self.register_rows("second_R", torch.from_numpy((time_R % _DAY).astype(np.int32)))

    def forward(self, row: Tensor) -> Tensor:
        log_gap = self.log_gap_R[row].unsqueeze(-1)
        has_previous = (log_gap >= 0).to(log_gap.dtype)
        width = self.center_K[1] - self.center_K[0]
        bins = torch.exp(-0.5 * ((log_gap - self.center_K) / width).square()) * has_previous
        position = torch.log1p(self.position_R[row].to(log_gap.dtype)).unsqueeze(-1)
        angle = self.second_R[row].to(log_gap.dtype).unsqueeze(-1) * (2 * torch.pi / _DAY)
        clock = [angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos()]
        return self.linear(torch.cat([bins, 1 - has_previous, position, *clock], dim=-1))

    def _create(self, d_model: int) -> None:
        self.out_dim = d_model
        centers = torch.linspace(0, float(np.log1p(_LONGEST_GAP)), self.config.bins)
        self.register_buffer("center_K", centers, persistent=False)
        self.linear = nn.Linear(self.config.bins + 6, d_model)


def gaps_and_positions(time_R: np.ndarray, user_R: np.ndarray, session: float) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since the viewer's previous row (-1 where there is none) and rows before it in its session.

    Args:
        time_R: unix seconds, oldest first within a viewer.
        user_R: the viewer of each row; rows of a viewer are neighbors.
        session: a gap above this many seconds starts a new session.
    """
    rows = np.arange(len(time_R))
    first_R = np.ones(len(time_R), dtype=bool)
    first_R[1:] = user_R[1:] != user_R[:-1]
    gap_R = np.where(first_R, -1, np.maximum(np.diff(time_R, prepend=time_R[:1]), 0))
    starts_R = first_R | (gap_R > session)
    return gap_R, rows - np.maximum.accumulate(np.where(starts_R, rows, 0))


COMPONENTS = [Component("encoder", "watch_gap", WatchGapEncoder, WatchGapConfig)]
