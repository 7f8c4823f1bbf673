"""Balancers whose weights come from an aggregator of TorchJD."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, ClassVar

import torch
from torch import Tensor

from polyscene.errors import ConfigError
from polyscene.training.balancers.gradient import GradientBalancer


class AggregatedBalancer(GradientBalancer):
    """Weights computed on the host from the inner products of the gradients.

    The only place of a step that waits for the device: for K x K numbers, as TorchJD solves its programs with
    NumPy or decides from step to step what to do next. They go there in double precision, divided by their trace,
    so that no aggregator takes small gradients for none.

    Attributes:
        requires: packages that the aggregator needs besides TorchJD.

    Raises:
        ConfigError: one of these is not installed.
    """

    requires: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Any, names: list[str]) -> None:
        super().__init__(config, names)
        missing = [package for package in ("torchjd", *self.requires) if find_spec(package) is None]
        if missing:
            name = type(self).__name__.removesuffix("Balancer").lower()
            raise ConfigError(
                f"it needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
                where=f"balancer '{name}'",
                fix='install the extra: pip install -c constraints.txt -e ".[balancers]", or use balancer=upgrad',
            )

    @abstractmethod
    def aggregate(self, gramian_KK: Tensor, held: Sequence[int]) -> Tensor:
        """Weights ``[H]`` from inner products ``[H, H]`` in double precision on the host, whose trace is 1."""

    def weigh(self, gramian_KK: Tensor, held: Sequence[int], losses_K: Tensor) -> Tensor:
        host_KK = gramian_KK.to("cpu", torch.float64)
        weight_K = torch.full((len(held),), 1 / len(held), dtype=torch.float64)
        # A scenario that reaches nothing shared has no say: the shortest mixture would be its zero.
        reaching = host_KK.diagonal().nonzero().flatten()
        if len(reaching) > 1 and bool(host_KK.isfinite().all()):  # else it is for the loop to report
            reduced_KK = host_KK[reaching[:, None], reaching]
            with torch.no_grad():
                found = self.aggregate(reduced_KK / reduced_KK.trace(), [held[k] for k in reaching.tolist()])
            weight_K[reaching] = found * (len(reaching) / len(held))
        return weight_K.to(gramian_KK)
