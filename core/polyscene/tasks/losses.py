"""Ranking losses: one positive against candidates."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.contract import with_shape
from polyscene.data.windows import Windows
from polyscene.registry.components import Component


class RankingLoss(nn.Module, ABC):
    """Compares the score of what happened with the scores of candidates.

    Args:
        config: the loss's options.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def __call__(self, positive_BT: Tensor, *inputs: Any, **options: Any) -> Tensor:
        found = super().__call__(positive_BT, *inputs, **options)
        return with_shape(found, positive_BT.shape, self, "a loss gives one value for each step")

    @abstractmethod
    def forward(
        self, positive_BT: Tensor, candidates_BTC: Tensor, windows: Windows, *, includes_positive: bool
    ) -> Tensor:
        """Loss ``[B, T]``.

        Args:
            positive_BT: score of the step's item.
            candidates_BTC: scores of candidates, corrected for how they were sampled; ``-inf`` where a
                candidate does not count.
            windows: the steps themselves, for weights that depend on value, time or columns.
            includes_positive: True for the full catalogue, where the step's item is among the candidates.
        """


class SoftmaxLoss(RankingLoss):
    """Cross-entropy of the step's item against the candidates: full softmax, or its sampled estimate.

    With sampled candidates the scores come with ``-log(C q)`` added, so that ``exp`` of them sums to an
    estimate of the partition function [Bengio and Senecal, 2008].
    """

    def forward(
        self, positive_BT: Tensor, candidates_BTC: Tensor, windows: Windows, *, includes_positive: bool
    ) -> Tensor:
        if includes_positive:
            # The same figure as below from one fused kernel: half as many passes over the [B, T, C] scores.
            target_R, scores_RC = windows.item_BT.flatten(), candidates_BTC.flatten(0, 1)
            loss_R = functional.cross_entropy(scores_RC, target_R, reduction="none")
            # Padding may point at an item that does not count; what a subclass makes of infinity has no gradient.
            return loss_R.view_as(positive_BT).masked_fill(~windows.valid_BT, 0.0)
        # Where all candidates of a step are masked, logsumexp of -inf alone would have a gradient of NaN.
        candidates_BTC = candidates_BTC.clamp(min=torch.finfo(candidates_BTC.dtype).min)
        return torch.logaddexp(candidates_BTC.logsumexp(dim=-1), positive_BT) - positive_BT


class BprLoss(RankingLoss):
    """Bayesian personalized ranking: mean of ``softplus(candidate - positive)`` [Rendle et al., UAI 2009]."""

    def forward(
        self, positive_BT: Tensor, candidates_BTC: Tensor, windows: Windows, *, includes_positive: bool
    ) -> Tensor:
        counts_BTC = torch.isfinite(candidates_BTC)
        if includes_positive:
            # The step's item against itself is no pair: it would add log 2 and a share to the mean.
            counts_BTC = counts_BTC.scatter(-1, windows.item_BT.unsqueeze(-1), value=False)
        margin_BTC = torch.where(counts_BTC, candidates_BTC, positive_BT.unsqueeze(-1)) - positive_BT.unsqueeze(-1)
        pair_BTC = functional.softplus(margin_BTC) * counts_BTC
        return pair_BTC.sum(dim=-1) / counts_BTC.sum(dim=-1).clamp(min=1)


class BinaryLoss(RankingLoss):
    """Binary cross-entropy: ``softplus(-positive)`` plus the sum of ``softplus(candidate)`` [KG-BERT, eq. 2]."""

    def forward(
        self, positive_BT: Tensor, candidates_BTC: Tensor, windows: Windows, *, includes_positive: bool
    ) -> Tensor:
        if includes_positive:
            candidates_BTC = candidates_BTC.scatter(-1, windows.item_BT.unsqueeze(-1), -math.inf)
        return functional.softplus(-positive_BT) + functional.softplus(candidates_BTC).sum(dim=-1)


COMPONENTS = [
    Component("loss", "softmax", SoftmaxLoss),
    Component("loss", "bpr", BprLoss),
    Component("loss", "binary", BinaryLoss),
]
