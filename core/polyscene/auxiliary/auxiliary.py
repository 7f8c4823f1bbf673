"""The contract of an auxiliary loss: a further term in the loss of each scenario that it concerns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from polyscene.config.validate import bounded
from polyscene.data.domains import scenario_of
from polyscene.data.events import Events
from polyscene.data.windows import Windows

if TYPE_CHECKING:
    from polyscene.model.catalogue import ModelCatalogue
    from polyscene.model.network import PolysceneModel


@dataclass
class AuxiliaryConfig:
    """Options of every auxiliary loss; a component's own config adds to them.

    Args:
        weight: its share in the loss of a scenario, beside the weights of the scenario's tasks.
        scenarios: only these scenarios (all domains of them); null takes every scenario that it can concern.
    """

    weight: float = bounded(0.1, at_least=0)
    scenarios: list[str] | None = None


@dataclass(frozen=True)
class AuxiliaryContext:
    """What an auxiliary loss knows when it is built.

    Args:
        d_model: width of states and item vectors.
        events: the events of every scenario of the model by name; only ``Phase.TRAIN`` rows may be read.
    """

    d_model: int
    events: Mapping[str, Events]


class Auxiliary(nn.Module, ABC):
    """One auxiliary loss for all scenarios of a model; its own parameters are trained with the model's.

    Args:
        config: its options, see :class:`AuxiliaryConfig`.
        context: see :class:`AuxiliaryContext`.
    """

    def __init__(self, config: Any, context: AuxiliaryContext) -> None:
        super().__init__()
        self.config = config

    def concerns(self, model: PolysceneModel, name: str) -> bool:
        """Whether scenario ``name`` has this loss; subclasses also ask for what they need of a model."""
        return self.config.scenarios is None or scenario_of(name) in self.config.scenarios

    @abstractmethod
    def loss(
        self,
        model: PolysceneModel,
        name: str,
        windows: Windows,
        catalogue: ModelCatalogue,
        h_BTd: Tensor | None = None,
    ) -> Tensor:
        """The loss, broadcastable to the steps ``[B, T]`` of the windows; the engine averages over valid steps.

        Called in training only, inside the model's forward: nothing in it may wait for the device.

        Args:
            model: the model itself, to be used and not to be kept.
            name: the scenario.
            windows: its windows in this step.
            catalogue: its item vectors in this step.
            h_BTd: the states that its tasks compare with what happens next; None where no task is learned.
        """
