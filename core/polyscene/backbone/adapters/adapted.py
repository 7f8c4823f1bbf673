"""The contract of an adapter inside the backbone: a frozen module with one adapter per scenario around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from polyscene.backbone.adapters.options import PeftOptions


class Adapted(nn.Module, ABC):
    """A frozen module and the adapters of K scenarios (none before :meth:`grow`), called as the module itself.

    The parameters are stacked, ``[K, ...]``. Which scenario a row belongs to is known inside
    :func:`polyscene.backbone.adapters.routing.rows_of`.

    Args:
        base: the module of the pretrained model.
        options: the kind's options.

    Attributes:
        saved_as: name of each stacked parameter, and what peft calls it below the module's own name.
        starts_as_identity: whether a fresh adapter leaves the module as it is.
    """

    saved_as: ClassVar[Mapping[str, str]]
    starts_as_identity: ClassVar[bool] = True

    def __init__(self, base: nn.Module, options: PeftOptions) -> None:
        super().__init__()
        self.base, self.options = base.requires_grad_(False), options
        for name, value in self.initial(0).items():
            setattr(self, name, nn.Parameter(value))

    @abstractmethod
    def initial(self, count: int) -> dict[str, Tensor]:
        """Fresh parameters of ``count`` scenarios, by name, on the base's device."""

    @classmethod
    @abstractmethod
    def peft_config(cls, options: Any, modules: Mapping[str, Adapted], *, whole: bool) -> dict[str, Any] | None:
        """What peft's config of one scenario's adapter says, ``None`` where peft has no such adapter.

        Args:
            options: the kind's options.
            modules: all of them, by their full name in the whole model.
            whole: whether they are in all layers.
        """

    @abstractmethod
    def peft_shape(self, name: str) -> tuple[int, ...]:
        """Shape in which peft keeps a parameter of one scenario."""

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters whose first dimension is the scenario, by name."""
        return {name: self.get_parameter(name) for name in self.saved_as}

    def scenario_buffers(self) -> dict[str, Tensor]:
        """Buffers whose first dimension is the scenario, by name."""
        return {}

    def grow(self, count: int) -> None:
        """Add fresh adapters; those at hand stay as they are."""
        for name, value in self.initial(count).items():
            old = self.get_parameter(name)
            setattr(self, name, nn.Parameter(torch.cat([old.detach(), value.to(old)]), old.requires_grad))
        for name, old in self.scenario_buffers().items():
            setattr(self, name, torch.cat([old, old.new_zeros(count, *old.shape[1:])]))

    @classmethod
    def to_file(cls, modules: Mapping[str, Adapted], k: int, *, whole: bool) -> dict[str, Tensor]:
        """The tensors of scenario k's file, by peft's names without their common prefix."""
        return {f"{name}.{key}": value for name, one in modules.items() for key, value in one.saved(k).items()}

    @classmethod
    def from_file(cls, tensors: Mapping[str, Tensor], modules: Mapping[str, Adapted]) -> dict[str, Tensor]:
        """The tensors of a file by module and name, the inverse of :meth:`to_file`."""
        return dict(tensors)

    def saved(self, k: int) -> dict[str, Tensor]:
        """The parameters of scenario k under peft's names below the module's own."""
        return {
            saved: self.get_parameter(name)[k].detach().reshape(self.peft_shape(name))
            for name, saved in self.saved_as.items()
        }

    @torch.no_grad()
    def load(self, k: int, saved: Mapping[str, Tensor]) -> None:
        """Take what :meth:`saved` returned, checked to have the right names and shapes."""
        for name, key in self.saved_as.items():
            parameter = self.get_parameter(name)
            parameter[k].copy_(saved[key].reshape(parameter.shape[1:]))


class AdaptedLinear(Adapted):
    """A linear layer ``[..., i] -> [..., o]`` with adapters."""

    base: nn.Linear

    @property
    def sizes(self) -> tuple[int, int]:
        """Width of inputs and of outputs."""
        return self.base.in_features, self.base.out_features

    @property
    def weight(self) -> Tensor:
        """The frozen weight, under the name at which the model's own code looks for it."""
        return self.base.weight
