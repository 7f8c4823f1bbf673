"""The shortest mixture of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from polyscene.errors import ConfigError
from polyscene.training.balancers.aggregated import AggregatedBalancer


@dataclass
class MgdaConfig:
    """Options of the multiple-gradient descent algorithm.

    Args:
        epsilon: step of the Frank-Wolfe solver below which it stops.
        iterations: steps of the solver at most.
    """

    epsilon: float = 1e-3
    iterations: int = 100

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise ConfigError(f"{name} is {value}", where="balancer 'mgda'", fix="use a number above 0")


class MgdaBalancer(AggregatedBalancer):
    """The shortest vector ``sum_k w_k g_k`` with ``w_k >= 0``, ``sum_k w_k = 1`` [Sener and Koltun, NeurIPS'18].

    Small gradients get large weights, so scenarios that are nearly learned lead.
    """

    config: MgdaConfig

    def aggregate(self, gramian_KK: Tensor, held: Sequence[int]) -> Tensor:
        from torchjd.aggregation import MGDAWeighting

        return MGDAWeighting(self.config.epsilon, self.config.iterations)(gramian_KK)
