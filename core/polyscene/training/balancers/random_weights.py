"""Weights drawn anew for every batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from polyscene.training.balancers.balancer import Balancer, stacked


class RandomBalancer(Balancer):
    """``sum_k w_k L_k`` with ``w = softmax(z)``, ``z ~ N(0, 1)`` [Lin et al., Random Loss Weighting, TMLR'22].

    A control: a balancer that does not beat it has gained by noise.
    """

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        values_K = stacked(losses)
        return (torch.randn_like(values_K).softmax(dim=0) * values_K).sum()
