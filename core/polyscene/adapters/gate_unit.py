"""Gate neural unit: a gate around 1 that is made from prior knowledge about a row."""

from __future__ import annotations

from torch import Tensor, nn


class GateUnit(nn.Module):
    """``GateNU(u) = 2 sigmoid(W2 relu(W1 u + b1) + b2)`` [Chang et al., KDD'23, equations 1 and 2].

    ``W2 = b2 = 0`` at the start: every gate is 1.

    Args:
        n_in: width of the prior u.
        hidden: width of the hidden layer.
        n_out: width of what is gated.
    """

    def __init__(self, n_in: int, hidden: int, n_out: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(n_in, hidden), nn.Linear(hidden, n_out)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, prior_Nu: Tensor) -> Tensor:
        """Gates ``[N, n_out]`` from 0 to 2."""
        return 2 * self.out(self.hidden(prior_Nu).relu()).sigmoid()
