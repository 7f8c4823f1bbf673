"""Hard negatives weigh more: most random entities are obviously wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from polyscene import Component, RankingLoss, Windows


@dataclass
class SelfAdversarialConfig:
    """Options of the self-adversarial loss.

    Args:
        temperature: how sharply negatives are weighed by their score; 0 weighs them alike.
        margin: score above which a triple counts as true; with 0 nearly all negatives push and little is learned.
    """

    temperature: float = 1.0
    margin: float = 6.0


class SelfAdversarialLoss(RankingLoss):
    """``-log sigma(s - m) - sum_i p_i log sigma(m - s_i)`` with ``p = softmax(temperature * s_i)``, not learned.

    Self-adversarial negative sampling [Sun et al., ICLR 2019, eq. 5-6], with ``m`` the margin on scores. A
    candidate equal to the step's item is no negative.
    """

    config: Any

    def forward(
        self, positive_BT: Tensor, candidates_BTC: Tensor, windows: Windows, *, includes_positive: bool
    ) -> Tensor:
        margin = self.config.margin
        if includes_positive:
            candidates_BTC = candidates_BTC.scatter(-1, windows.item_BT.unsqueeze(-1), -math.inf)
        # A candidate that does not count is -inf, which softmax and softplus turn into 0.
        logit_BTC = self.config.temperature * candidates_BTC.detach()
        if not self.config.temperature:
            logit_BTC = torch.where(candidates_BTC == -math.inf, -math.inf, 0.0)
        # Where a row has no negative at all the softmax is undefined, and there is nothing to push down.
        weight_BTC = logit_BTC.softmax(dim=-1).nan_to_num_(0.0)
        negative_BT = (weight_BTC * functional.softplus(candidates_BTC - margin)).sum(dim=-1)
        return functional.softplus(margin - positive_BT) + negative_BT


COMPONENTS = [Component("loss", "self_adversarial", SelfAdversarialLoss, SelfAdversarialConfig)]
