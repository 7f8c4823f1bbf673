"""Films that were liked count more than films that were merely watched."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from polyscene import Component, SoftmaxLoss, Windows


@dataclass
class RatingWeightedConfig:
    """Options of the rating-weighted loss.

    Args:
        power: weight of a step is ``rating ** power``; 0 is the plain softmax.
    """

    power: float = 0.5


class RatingWeightedLoss(SoftmaxLoss):
    """Softmax loss in which a step weighs ``rating ** power``, with mean weight 1 over the batch.

    Every watched film stays a positive, since even a bad rating says that the viewer chose to see it; the
    ratings only shift the emphasis. Ratings are positive (stars).
    """

    config: RatingWeightedConfig

    def forward(
        self, positive_BT: Tensor, candidates_BTC: Tensor, windows: Windows, *, includes_positive: bool
    ) -> Tensor:
        loss_BT = super().forward(positive_BT, candidates_BTC, windows, includes_positive=includes_positive)
        weight_BT = windows.value_BT.clamp(min=1e-3) ** self.config.power * windows.valid_BT
        return loss_BT * weight_BT * windows.valid_BT.sum() / weight_BT.sum().clamp(min=1e-6)


COMPONENTS = [Component("loss", "rating_weighted", RatingWeightedLoss, RatingWeightedConfig)]
