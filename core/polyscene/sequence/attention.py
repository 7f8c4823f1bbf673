"""Attention pooling: each step decides how much it counts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.dropout import dropout
from polyscene.errors import ConfigError, Problems
from polyscene.sequence.model import SequenceModel, with_start


@dataclass
class AttentionPoolingConfig:
    """Options of attention pooling.

    Args:
        heads: number of heads; divides the model's width.
        dropout: probability with which an attention weight is dropped in training.
    """

    heads: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        problems = Problems("sequence 'attention'")
        if self.heads < 1:
            problems.add(f"heads is {self.heads}", fix="use 1 or more")
        if not 0 <= self.dropout < 1:
            problems.add(f"dropout is {self.dropout}", fix="use a number from 0 to below 1")
        problems.raise_if_any(ConfigError)


class AttentionPooling(SequenceModel):
    """``h_t = s_0 + W_o sum_{i<=t} softmax_i(w . tanh(W s_i) + r i) V s_i`` per head, over ``s = (start + b, x)``.

    The score of a step does not depend on the reader, as in the attention of structured pooling [Lin et al.,
    ICLR'17], so a state is a function of the set of steps. In ordered rows a learned rate r per head, 0 at the
    start, lets recent steps count more.
    """

    config: AttentionPoolingConfig

    def __init__(self, config: AttentionPoolingConfig, d_model: int, max_length: int) -> None:
        super().__init__(config, d_model, max_length)
        if d_model % config.heads:
            raise ConfigError(
                f"{config.heads} heads do not divide the width {d_model}",
                where="sequence 'attention'",
                fix="change sequence.heads or model.d_model",
            )
        self.begin_d = nn.Parameter(0.02 * torch.randn(d_model))
        self.norm = nn.LayerNorm(d_model)
        self.score = nn.Sequential(nn.Linear(d_model, d_model), nn.Tanh(), nn.Linear(d_model, config.heads))
        self.rate_H = nn.Parameter(torch.zeros(config.heads))
        self.value = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x_BTd: Tensor, start_Bd: Tensor, ordered_B: Tensor) -> Tensor:
        s_BSd = with_start(start_Bd + self.begin_d, x_BTd)
        rows, steps, width = s_BSd.shape
        normed = self.norm(s_BSd)
        place_S = torch.arange(steps, device=s_BSd.device)
        score_BSH = self.score(normed) + ordered_B[:, None, None] * place_S[:, None] * self.rate_H
        future_SS = place_S > place_S[:, None]
        score_BHSS = score_BSH.transpose(1, 2).unsqueeze(2).masked_fill(future_SS, float("-inf"))
        weight_BHSS = dropout(score_BHSS.softmax(-1), self.config.dropout, training=self.training)
        value_BHSe = self.value(normed).view(rows, steps, self.config.heads, -1).transpose(1, 2)
        pooled = (weight_BHSS @ value_BHSe).transpose(1, 2).reshape(rows, steps, width)
        return s_BSd[:, :1] + self.out(pooled)
