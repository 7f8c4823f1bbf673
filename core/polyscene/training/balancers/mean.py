"""The plain mean."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from polyscene.training.balancers.balancer import Balancer, stacked


class MeanBalancer(Balancer):
    """``1/K sum_k L_k``: the control for every other balancer, and hard to beat [Kurin et al., NeurIPS 2022]."""

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        return stacked(losses).mean()
