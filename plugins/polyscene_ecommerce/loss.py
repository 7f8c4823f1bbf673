"""A ranking loss in which kinds of steps can weigh differently."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from polyscene import Component, SoftmaxLoss, Windows


@dataclass
class ClassWeightedConfig:
    """Options of the class-weighted loss.

    Args:
        column: event column that holds the class of a step, 0 or 1.
        weights: how much a step of class 0 and of class 1 weighs.
        balance: power of the inverse class frequency in the batch that multiplies the weights: 0 takes the
            classes as often as they come, 1 gives both the same total.
    """

    column: str = "repeat"
    weights: tuple[float, float] = (1.0, 1.0)
    balance: float = 1.0


class ClassWeightedLoss(SoftmaxLoss):
    """Softmax loss weighted by the class of the step; the weights have mean 1 over the batch.

    A log starts with new items only and ends with repeats mostly, so how often a kind occurs says more about the
    length of the log than about what matters; both kinds get the same total by default.
    """

    config: ClassWeightedConfig

    def forward(
        self, positive_BT: Tensor, candidates_BTC: Tensor, windows: Windows, *, includes_positive: bool
    ) -> Tensor:
        loss_BT = super().forward(positive_BT, candidates_BTC, windows, includes_positive=includes_positive)
        return loss_BT * class_weights(windows, self.config)


def class_weights(windows: Windows, config: ClassWeightedConfig) -> Tensor:
    """Weight ``[B, T]`` of each step, mean 1 over the valid steps and 0 elsewhere."""
    valid_BT = windows.valid_BT.float()
    second_BT = (windows.columns[config.column] > 0).float()
    share = ((second_BT * valid_BT).sum() / valid_BT.sum().clamp(min=1)).clamp(1e-3, 1 - 1e-3)
    first_weight = config.weights[0] * (1 - share) ** -config.balance
    second_weight = config.weights[1] * share**-config.balance
    weight_BT = valid_BT * (first_weight + second_BT * (second_weight - first_weight))
    return weight_BT * valid_BT.sum() / weight_BT.sum().clamp(min=1e-6)


COMPONENTS = [Component("loss", "class_weighted", ClassWeightedLoss, ClassWeightedConfig)]
