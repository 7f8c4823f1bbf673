"""The balancer contract: from the losses of K scenarios to one update."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.contract import with_shape
from polyscene.data.windows import Windows
from polyscene.routing import RECOGNITION
from polyscene.training.step import Step


class Balancer(nn.Module, ABC):
    """Turns the losses of the scenarios in a step into gradients.

    Parameters are trained by the optimizer of the model, at its learning rate. What a balancer remembers besides
    is a buffer, so that an interrupted run goes on with it. Nothing here may wait for the device.

    Args:
        config: the balancer's options.
        names: all K scenarios; a step may hold some of them only.
    """

    def __init__(self, config: Any, names: list[str]) -> None:
        super().__init__()
        self.config, self.names = config, names
        self.index = {name: k for k, name in enumerate(names)}

    def __call__(self, *inputs: Any, **options: Any) -> Tensor:
        return with_shape(
            super().__call__(*inputs, **options), (), self, "a balancer makes one number of the losses"
        )

    @abstractmethod
    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """One scalar loss from the scalar losses of the scenarios in the step."""

    def backward(self, step: Step, batch: Mapping[str, Windows], *, last: bool) -> dict[str, Tensor]:
        """Add the gradients of a batch to those of the step, and return the losses.

        Args:
            step: the model and how its gradients are computed.
            batch: windows by scenario.
            last: whether this is the last batch of the step.
        """
        with step.fabric.no_backward_sync(step.wrapped, enabled=not last):
            losses = step.losses(batch)
            # The router's loss is no scenario's, so it is not balanced against them.
            total = self({name: loss for name, loss in losses.items() if name in self.index})
            step.fabric.backward((total + losses.get(RECOGNITION, 0.0)) / step.accumulate)
        if last:
            step.average_gradients(self.parameters())
        return losses

    def after_step(
        self, step: Step, number: int, batch: Mapping[str, Windows], losses: Mapping[str, Tensor]
    ) -> None:
        """Look at what the optimizer has done.

        Args:
            step: the model, after the update.
            number: of the last batch of the step, from 0.
            batch: its windows by scenario.
            losses: its losses before the update.
        """

    def take_cosines(self) -> dict[str, float]:
        """Cosines between scenarios' gradients since the last call, where the balancer computes gradients anyway.

        Returns:
            The mean by ``a/cosine/b`` for each pair of scenarios.
        """
        return {}

    def in_step(self, values_K: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Of values ``[K]`` those of the scenarios in the step, in the order of the losses."""
        if len(losses) == len(self.names):
            return values_K
        return torch.stack([values_K[self.index[name]] for name in losses])

    def over_scenarios(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Losses ``[K]`` without gradients, NaN for the scenarios that are not in the step."""
        absent = next(iter(losses.values())).new_full((), float("nan"))
        return torch.stack([losses[name].detach() if name in losses else absent for name in self.names])


def stacked(losses: Mapping[str, Tensor]) -> Tensor:
    """The losses of a step as one tensor."""
    return torch.stack(list(losses.values()))
