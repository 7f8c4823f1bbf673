"""The sequence contract: a user's history becomes the user's state, after every step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn


class SequenceModel(nn.Module, ABC):
    """Reads a history and gives the state before each step and after the last: causal by contract.

    Histories are padded at the end; states beyond a row's length are never read, so no mask is needed.

    Args:
        config: the sequence model's options.
        d_model: width of the vectors.
        max_length: longest history T.
    """

    def __init__(self, config: Any, d_model: int, max_length: int) -> None:
        super().__init__()
        self.config, self.d_model, self.max_length = config, d_model, max_length

    @abstractmethod
    def forward(self, x_BTd: Tensor, start_Bd: Tensor, ordered_B: Tensor) -> Tensor:
        """States ``h_B(T+1)d``: ``h[:, t]`` depends on ``start`` and on ``x[:, :t]`` only.

        Args:
            x_BTd: vectors of the history, oldest first.
            start_Bd: the user's own vector, what is known before any step (0 where nothing is).
            ordered_B: bool, whether positions mean anything for the row; where False the model must not
                use them (the result for the last state is then a function of the set of steps).
        """

    def last(self, x_BTd: Tensor, start_Bd: Tensor, ordered_B: Tensor, length_B: Tensor) -> Tensor:
        """States ``[B, d]`` after the first ``length_B`` steps: those of :meth:`forward` in eval mode.

        A model that reaches them by less work may say how.
        """
        h_BTd = self(x_BTd, start_Bd, ordered_B)
        return h_BTd[torch.arange(len(h_BTd), device=h_BTd.device), length_B]


def with_start(start_Bd: Tensor, x_BTd: Tensor) -> Tensor:
    """``[B, T + 1, d]``: the start token, then the history."""
    return torch.cat([start_Bd.unsqueeze(1), x_BTd], 1)
