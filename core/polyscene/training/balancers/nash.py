"""The update that the scenarios would agree on as bargainers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from polyscene.errors import ConfigError
from polyscene.training.balancers.aggregated import AggregatedBalancer


@dataclass
class NashConfig:
    """Options of the bargaining game.

    Args:
        iterations: convex programs that are solved for one update at most.
    """

    iterations: int = 20

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ConfigError(f"iterations is {self.iterations}", where="balancer 'nash'", fix="use 1 or more")


class NashBalancer(AggregatedBalancer):
    """``J J^T a = 1 / a`` elementwise, the Nash bargaining solution [Navon et al., ICML'22]; ``w = a / K``.

    The inner products are divided by their trace, which makes the update as long as the root mean square of the
    gradients; the published one has one length whatever theirs. The solver starts from the last step's solution.
    """

    config: NashConfig
    requires = ("cvxpy", "ecos")

    def __init__(self, config: NashConfig, names: list[str]) -> None:
        super().__init__(config, names)
        self.register_buffer("last_K", torch.ones(len(names)))
        self.last_K: Tensor

    def aggregate(self, gramian_KK: Tensor, held: Sequence[int]) -> Tensor:
        from torchjd.aggregation import NashMTL

        game = NashMTL(len(held), max_norm=0.0, optim_niter=self.config.iterations).weighting
        index_H = torch.tensor(held)
        game.prvs_alpha = self.last_K.cpu()[index_H].numpy().astype(np.float32)
        # TorchJD multiplies a matrix by its transpose first, and the root of the inner products is one with them.
        value_K, vector_KK = torch.linalg.eigh(gramian_KK)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cvxpy finds fault with how TorchJD states the program
            alpha_K = game(vector_KK * value_K.clamp(min=0).sqrt())
        self.last_K[index_H.to(self.last_K.device)] = alpha_K.to(self.last_K)
        return alpha_K / len(held)
