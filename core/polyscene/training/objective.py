"""Objectives: what turns the batches of a step into gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from polyscene.config.schema import TrainConfig
from polyscene.data.windows import Windows
from polyscene.routing import RECOGNITION
from polyscene.training.balancers.balancer import Balancer
from polyscene.training.balancers.cosine import gradient_cosines
from polyscene.training.step import Step

if TYPE_CHECKING:
    from polyscene.model import PolysceneModel
    from polyscene.training.loading import LoadedScenario


@dataclass(frozen=True)
class ObjectiveContext:
    """What an objective knows when it is built.

    Args:
        config: the run's config.
        model: the model, on the device.
        scenarios: the scenarios that it learns; it may hold others.
    """

    config: TrainConfig
    model: PolysceneModel
    scenarios: Mapping[str, LoadedScenario]

    @property
    def names(self) -> list[str]:
        """The names of the scenarios that are learned."""
        return list(self.scenarios)


class Objective(nn.Module, ABC):
    """What one model is trained for: batch by batch it adds gradients to those of the step.

    It may learn itself: its parameters are trained by the optimizer of the model, at its learning rate, and its
    whole state is in the checkpoint of training. Nothing here may wait for the device.
    """

    @abstractmethod
    def backward(self, step: Step, number: int, batch: Mapping[str, Windows], *, last: bool) -> dict[str, Tensor]:
        """Add the gradients of a batch to those of the step, and return the losses for the curves.

        Args:
            step: the model and how its gradients are computed.
            number: of the batch, from 0 over the whole training: whatever is drawn must follow from it.
            batch: windows by scenario, a mixed batch of all.
            last: whether this is the last batch of the step.

        Returns:
            Scalar losses by scenario, or by ``SCENARIO/NAME`` as :attr:`curves` lists them.
        """

    @property
    def curves(self) -> Sequence[str]:
        """What :meth:`backward` may return besides the scenarios' own losses, as ``SCENARIO/NAME``."""
        return ()

    def after_step(
        self, step: Step, number: int, batch: Mapping[str, Windows], losses: Mapping[str, Tensor]
    ) -> None:
        """Look at what the optimizer has done; arguments as those of the last batch, with its losses before."""

    def served(self) -> nn.Module | None:
        """What serving needs of the objective beside the model, kept with the best model; None for nothing."""
        return None

    def cosines(self, step: Step, batch: Mapping[str, Windows], *, wanted: bool) -> dict[str, float]:
        """Cosines between the scenarios' gradients by ``a/cosine/b``, where known or ``wanted``.

        Args:
            step: the model.
            batch: the last batch, for gradients that have to be computed.
            wanted: whether they are worth computing.
        """
        return gradient_cosines(step, batch) if wanted else {}


class Multitask(Objective):
    """The losses of all scenarios on a mixed batch, made into one update by a balancer.

    Args:
        context: config and scenarios; the config names the balancer.
    """

    def __init__(self, context: ObjectiveContext) -> None:
        super().__init__()
        self.balancer: Balancer = context.config.balancer.build(names=context.names)

    def backward(self, step: Step, number: int, batch: Mapping[str, Windows], *, last: bool) -> dict[str, Tensor]:
        return self.balancer.backward(step, batch, last=last)

    def after_step(
        self, step: Step, number: int, batch: Mapping[str, Windows], losses: Mapping[str, Tensor]
    ) -> None:
        self.balancer.after_step(step, number, batch, losses)

    def cosines(self, step: Step, batch: Mapping[str, Windows], *, wanted: bool) -> dict[str, float]:
        return self.balancer.take_cosines() or super().cosines(step, batch, wanted=wanted)


def loss_names(scenarios: Sequence[str], objective: Objective) -> list[str]:
    """All names under which losses may come, in the same order in every process."""
    return [*scenarios, RECOGNITION, *objective.curves]


def as_curve(name: str) -> str:
    """The name of a loss among the values of a curve: ``video/loss``, or its own ``video/NAME``."""
    return name if "/" in name else f"{name}/loss"
