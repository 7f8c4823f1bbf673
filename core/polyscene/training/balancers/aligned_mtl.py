"""Gradients made orthogonal and equally long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from polyscene.training.balancers.aggregated import AggregatedBalancer


@dataclass
class AlignedMtlConfig:
    """Options of independent component alignment.

    Args:
        scale: which eigenvalue of ``J J^T`` all principal components get: the smallest, the median or the mean.
    """

    scale: Literal["min", "median", "rmse"] = "min"


class AlignedMtlBalancer(AggregatedBalancer):
    """The mean of ``sqrt(s) (J J^T)^(-1/2) J``, s an eigenvalue of ``J J^T`` [Senushkin et al., CVPR'23]."""

    config: AlignedMtlConfig

    def aggregate(self, gramian_KK: Tensor, held: Sequence[int]) -> Tensor:
        from torchjd.aggregation import AlignedMTLWeighting

        return AlignedMTLWeighting(scale_mode=self.config.scale)(gramian_KK)
