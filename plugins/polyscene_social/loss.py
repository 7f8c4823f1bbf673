"""A link loss in which links to people with many friends do not drown the others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene import Component, SoftmaxLoss, Windows


@dataclass
class ActivityDebiasedConfig:
    """Options of the activity-debiased loss.

    Args:
        power: a link weighs ``n ** -power`` for a friend who occurs n times in the batch; 0 weighs all alike.
    """

    power: float = 0.25


class ActivityDebiasedLoss(SoftmaxLoss):
    """Softmax loss weighted by the inverse propensity ``n^-power`` of the friend, mean 1 over the batch.

    A person's number of links is taken as the propensity of a link to be seen, with the power that tempers its
    variance [Saito et al., WSDM 2020, sec. 5]. Batches draw links evenly, so n is estimated by how often
    the friend occurs in the batch.
    """

    config: ActivityDebiasedConfig

    def forward(
        self, positive_BT: Tensor, candidates_BTC: Tensor, windows: Windows, *, includes_positive: bool
    ) -> Tensor:
        loss_BT = super().forward(positive_BT, candidates_BTC, windows, includes_positive=includes_positive)
        return loss_BT * activity_weights(windows, self.config.power)


def activity_weights(windows: Windows, power: float) -> Tensor:
    """Weight ``[B, T]`` of each step: mean 1 over the valid steps, 0 at padded steps."""
    # Counting through a sort keeps every shape known beforehand, so the step never waits for the device.
    item_BT = windows.item_BT.masked_fill(~windows.valid_BT, -1)
    sorted_R = item_BT.flatten().sort().values
    count_BT = torch.searchsorted(sorted_R, item_BT, right=True) - torch.searchsorted(sorted_R, item_BT)
    weight_BT = count_BT.float() ** -power * windows.valid_BT
    return weight_BT * windows.valid_BT.sum() / weight_BT.sum().clamp(min=1e-6)


COMPONENTS = [Component("loss", "activity_debiased", ActivityDebiasedLoss, ActivityDebiasedConfig)]
