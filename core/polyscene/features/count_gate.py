"""The count gate: how far an id is trusted, by how often training saw it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_FIRST_HALF = 4.0


class CountGate(nn.Module):
    """``g(n) = n / (n + k)`` with a learned ``k > 0``: 0 for an unseen id, near 1 for a frequent one.

    The weight that shrinkage gives to a mean of n observations beside a prior [Efron and Morris, JASA 1975]; here
    the prior is what the entity's content says. ``k`` is the number of interactions at which both count the same;
    it starts at 4.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_half = nn.Parameter(torch.tensor(math.log(_FIRST_HALF)))

    def forward(self, count: Tensor) -> Tensor:
        """Weights ``[...]`` in [0, 1) of ids that training saw ``count`` times (``[...]``)."""
        return count / (count + self.log_half.exp())
