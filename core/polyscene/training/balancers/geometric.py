"""The geometric mean."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from polyscene.training.balancers.balancer import Balancer, stacked


class GeometricBalancer(Balancer):
    """``(prod_k L_k)^(1/K)`` [Chennupati et al., MultiNet++, CVPR Workshops'19].

    Its gradient weighs each scenario by one over its loss. Losses must not be negative.
    """

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        values_K = stacked(losses)
        return values_K.clamp(min=torch.finfo(values_K.dtype).tiny).log().mean().exp()
