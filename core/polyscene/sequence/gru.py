"""A gated recurrent unit over the history."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.dropout import Dropout
from polyscene.errors import ConfigError, Problems
from polyscene.sequence.mean import cumulative_mean
from polyscene.sequence.model import SequenceModel, with_start


@dataclass
class GruConfig:
    """Options of the GRU.

    Args:
        hidden: width of the recurrent state; 0 for the model's width.
        dropout: on the input, in training.
    """

    hidden: int = 0
    dropout: float = 0.1

    def __post_init__(self) -> None:
        problems = Problems("sequence 'gru'")
        if self.hidden < 0:
            problems.add(f"hidden is {self.hidden}", fix="use 0 (the model's width) or a width")
        if not 0 <= self.dropout < 1:
            problems.add(f"dropout is {self.dropout}", fix="use a number from 0 to below 1")
        problems.raise_if_any(ConfigError)


class Gru(SequenceModel):
    """One-layer GRU and a projection [GRU4Rec, ICLR'16], started by the user's token.

    A recurrence cannot ignore the order, so rows without order take the mean of their steps instead of the GRU's
    state through the same projection.
    """

    config: GruConfig

    def __init__(self, config: GruConfig, d_model: int, max_length: int) -> None:
        super().__init__(config, d_model, max_length)
        hidden = config.hidden or d_model
        self.begin_d = nn.Parameter(0.02 * torch.randn(d_model))
        self.dropout = Dropout(config.dropout)
        self.unordered = nn.Linear(d_model, hidden)
        self.gru = nn.GRU(d_model, hidden, batch_first=True)
        self.out = nn.Linear(hidden, d_model)

    def forward(self, x_BTd: Tensor, start_Bd: Tensor, ordered_B: Tensor) -> Tensor:
        s_BSd = self.dropout(with_start(start_Bd + self.begin_d, x_BTd))
        pooled_BSh = self.unordered(cumulative_mean(s_BSd)).tanh()
        return self.out(torch.where(ordered_B[:, None, None], self.gru(s_BSd)[0], pooled_BSh))
