"""Projections of every gradient to where no loss rises."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from polyscene.training.balancers.aggregated import AggregatedBalancer


class UpgradBalancer(AggregatedBalancer):
    """The mean of the gradients' projections onto the dual cone ``{d: J d >= 0}``.

    UPGrad, from [Quinton and Rey, Jacobian Descent for Multi-Objective Optimization, arXiv:2406.16232]. To first
    order a step raises no scenario's loss (up to the solver's regularization, 1e-4 of ``J J^T``'s trace); where no
    two gradients conflict it is the plain mean.
    """

    requires = ("qpsolvers", "quadprog")

    def aggregate(self, gramian_KK: Tensor, held: Sequence[int]) -> Tensor:
        from torchjd.aggregation import UPGradWeighting

        return UPGradWeighting()(gramian_KK)
