"""The direction with equal projections onto all gradients."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from polyscene.training.balancers.aggregated import AggregatedBalancer


class ImtlGBalancer(AggregatedBalancer):
    """``<d, g_k / |g_k|>`` equal for all k, ``sum_k w_k = 1``, IMTL-G [Liu et al., ICLR'21].

    Weights may be negative.
    """

    def aggregate(self, gramian_KK: Tensor, held: Sequence[int]) -> Tensor:
        from torchjd.aggregation import IMTLGWeighting

        return IMTLGWeighting()(gramian_KK)
