"""Balancers: what turns the scenarios' losses into one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.registry.components import Component


class Balancer(nn.Module, ABC):
    """Combines the losses of the scenarios in a step.

    Args:
        config: the balancer's options.
        names: all scenarios; a step may hold some of them only.
    """

    def __init__(self, config: Any, names: list[str]) -> None:
        super().__init__()
        self.config, self.names = config, names

    @abstractmethod
    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """One scalar loss from the scalar losses of the scenarios in the step."""


class MeanBalancer(Balancer):
    """The plain mean: the control for every other balancer, and hard to beat [Kurin et al., NeurIPS 2022]."""

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        return torch.stack(list(losses.values())).mean()


COMPONENTS = [Component("balancer", "mean", MeanBalancer)]
