"""Listening counts as confidence, measured against the listener's own habits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene import Component, SoftmaxLoss, Windows


@dataclass
class ListenerConfidenceConfig:
    """Options of the listener confidence loss.

    Args:
        alpha: how much more a larger count weighs.
    """

    alpha: float = 1.0


class ListenerConfidenceLoss(SoftmaxLoss):
    """Softmax loss weighted by ``c = 1 + alpha log(1 + n)`` of the step's play count n, over the listener's mean.

    The confidence is that of Hu, Koren and Volinsky (ICDM 2008, eq. 6). Play counts differ by orders of magnitude
    between listeners, so it is divided by its mean in the listener's window: every listener keeps the same say,
    and within one the artists played most have the most.
    """

    config: ListenerConfidenceConfig

    def forward(
        self, positive_BT: Tensor, candidates_BTC: Tensor, windows: Windows, *, includes_positive: bool
    ) -> Tensor:
        loss_BT = super().forward(positive_BT, candidates_BTC, windows, includes_positive=includes_positive)
        return loss_BT * listener_confidence(windows, self.config.alpha)


def listener_confidence(windows: Windows, alpha: float) -> Tensor:
    """Weight ``[B, T]`` of each step: mean 1 over the valid steps of every window, 0 at padded steps."""
    valid_BT = windows.valid_BT.float()
    confidence_BT = valid_BT * (1 + alpha * torch.log1p(windows.value_BT.clamp(min=0)))
    mean_B1 = confidence_BT.sum(dim=1, keepdim=True) / valid_BT.sum(dim=1, keepdim=True).clamp(min=1)
    return confidence_BT / mean_B1.clamp(min=1e-6)


COMPONENTS = [Component("loss", "listener_confidence", ListenerConfidenceLoss, ListenerConfidenceConfig)]
