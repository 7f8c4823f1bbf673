"""The smooth maximum of the losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from polyscene.errors import ConfigError
from polyscene.training.balancers.balancer import Balancer, stacked


@dataclass
class StchConfig:
    """Options of the smooth Tchebycheff scalarization.

    Args:
        mu: smoothness: near 0 only the largest loss counts, a large value comes near to the plain mean.
        ideal: the loss z that a scenario could reach at best, the same for all.
    """

    mu: float = 1.0
    ideal: float = 0.0

    def __post_init__(self) -> None:
        if self.mu <= 0:
            raise ConfigError(f"mu is {self.mu}", where="balancer 'stch'", fix="use a number above 0, such as 1")


class StchBalancer(Balancer):
    """``mu log sum_k exp((L_k - z) / mu)`` [Lin et al., Smooth Tchebycheff Scalarization, ICML'24].

    The published preferences ``lambda_k`` are 1. Scenarios with the largest losses count most, so losses should be
    of one scale.
    """

    config: StchConfig

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        return self.config.mu * ((stacked(losses) - self.config.ideal) / self.config.mu).logsumexp(dim=0)
