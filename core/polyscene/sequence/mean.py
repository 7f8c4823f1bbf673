"""The mean of the history so far."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from polyscene.sequence.model import SequenceModel, with_start


class MeanPooling(SequenceModel):
    """``h_t = mean(start + b, x_1, ..., x_t)`` with a learned ``b``; never looks at the order."""

    def __init__(self, config: Any, d_model: int, max_length: int) -> None:
        super().__init__(config, d_model, max_length)
        self.begin_d = nn.Parameter(0.02 * torch.randn(d_model))

    def forward(self, x_BTd: Tensor, start_Bd: Tensor, ordered_B: Tensor) -> Tensor:
        return cumulative_mean(with_start(start_Bd + self.begin_d, x_BTd))


def cumulative_mean(x_BSd: Tensor) -> Tensor:
    """``[B, S, d]``: position s holds the mean of ``x[:, :s + 1]``."""
    count_S = torch.arange(1, x_BSd.shape[1] + 1, device=x_BSd.device, dtype=x_BSd.dtype)
    return x_BSd.cumsum(1) / count_S.unsqueeze(-1)
