"""Gradients without the parts that oppose others."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from polyscene.training.balancers.aggregated import AggregatedBalancer


class PcgradBalancer(AggregatedBalancer):
    """Each gradient loses, in random order, its part against every other that it opposes [Yu et al., NeurIPS'20].

    The mean of the results: the published sum is K times as long.
    """

    def aggregate(self, gramian_KK: Tensor, held: Sequence[int]) -> Tensor:
        from torchjd.aggregation import PCGradWeighting

        return PCGradWeighting()(gramian_KK) / len(held)
