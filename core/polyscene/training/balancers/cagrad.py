"""The direction near the mean that helps the worst-off scenario most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from polyscene.errors import ConfigError
from polyscene.training.balancers.aggregated import AggregatedBalancer


@dataclass
class CagradConfig:
    """Options of conflict-averse gradient descent.

    Args:
        c: how far from the mean gradient the update may be, in lengths of it; 0 is the plain mean.
    """

    c: float = 0.5

    def __post_init__(self) -> None:
        if self.c < 0:
            raise ConfigError(f"c is {self.c}", where="balancer 'cagrad'", fix="use 0 or more, such as 0.5")


class CagradBalancer(AggregatedBalancer):
    """``argmax_d min_k <g_k, d>`` over ``|d - g| <= c |g|``, g the mean gradient [Liu et al., NeurIPS'21]."""

    config: CagradConfig
    requires = ("cvxpy", "clarabel")

    def aggregate(self, gramian_KK: Tensor, held: Sequence[int]) -> Tensor:
        from torchjd.aggregation import CAGradWeighting

        return CAGradWeighting(c=self.config.c)(gramian_KK)
