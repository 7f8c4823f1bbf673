"""The layers of a backbone that training works on, above a frozen prefix whose states are cached."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import Routing
from polyscene.backbone.adapters import AdaLoraLinear, AdaLoraOptions, Adapted, PeftOptions, RankBudget
from polyscene.backbone.adapters.base import Base
from polyscene.backbone.adapters.install import install
from polyscene.backbone.adapters.load import load_adapter
from polyscene.backbone.adapters.routing import rows_of
from polyscene.backbone.pooling import pool


@dataclass(frozen=True)
class Place:
    """Where in the whole model the layers of a suffix are.

    Args:
        stack: the model's name of what holds its layers.
        first: index of the first layer that is in the suffix.
        config: the model's config of transformers.
    """

    stack: str
    first: int
    config: Any


class Suffix(nn.Module):
    """The last layers of a backbone with pooling: ``forward(states_BLh, mask_BL) -> [B, h]`` in float32.

    The layers are ``suffix.stack.layer``, with the names that the model's own code gives to what is inside. All
    scenarios share and train them, until :meth:`adapt` freezes them and each scenario gets an adapter of its own
    (:meth:`join`); then a batch needs a routing. Everything else of the stack that the layers need (MPNet's
    relative position bias) belongs to the prefix too and stays frozen.

    Attributes:
        place: where the layers are in the whole model.
        options: the kind of adapter and its options, ``None`` without adapters.
        base: the model that the layers belong to, where it is known.
        scenarios: names of the scenarios in the order of their index.
    """

    def __init__(self, stack: nn.Module, pooling: str, normalize: bool, place: Place) -> None:
        super().__init__()
        self.stack = stack
        self.pooling, self.normalize = pooling, normalize
        self.place = place
        self.options: PeftOptions | None = None
        self.base: Base | None = None
        self.scenarios: tuple[str, ...] = ()
        self.register_state_dict_post_hook(_without_frozen)

    def adapt(self, options: PeftOptions, base: Base | None = None) -> Suffix:
        """Freeze the layers and put room for adapters around them, once; scenarios :meth:`join` then.

        Args:
            options: the kind of adapter.
            base: the model, to which adapters that scenarios start from must belong.

        Raises:
            BackboneError: these layers cannot have such adapters.
        """
        self.requires_grad_(False)
        self.options, self.base = options, base
        layers: Any = self.stack.layer
        install(layers, options, self.place.config)
        if isinstance(options, AdaLoraOptions):
            self.budget = RankBudget(options)
        return self.eval()

    def join(self, scenario: str, *, initial: bool = True) -> int:
        """The index of a scenario, which gets a fresh adapter when it is first named; others stay bit-equal.

        Parameters become new ones, so all scenarios join before an optimizer is built.

        Args:
            scenario: its name.
            initial: start from the adapter that ``options.init`` has for it; a checkpoint brings its own anyway.

        Raises:
            CheckpointError: the adapter to start from is missing or does not fit.
            BackboneError: it is an adapter of another base.
        """
        if self.options is None:
            return 0
        if scenario not in self.scenarios:
            for module in self.adapted().values():
                module.grow(1)
            self.scenarios += (scenario,)
            if initial and scenario in self.options.init:
                load_adapter(self, len(self.scenarios) - 1, Path(self.options.init[scenario]), self.base)
        return self.scenarios.index(scenario)

    def fitted(self) -> dict[str, Any]:
        """The scenarios that joined, JSON-serialisable."""
        return {"scenarios": list(self.scenarios)}

    def load_fitted(self, fitted: Mapping[str, Any]) -> None:
        """Make room for the adapters of the scenarios of :meth:`fitted`; a checkpoint brings them."""
        for scenario in fitted["scenarios"]:
            self.join(scenario, initial=False)

    def train(self, mode: bool = True) -> Suffix:
        """Stays in eval mode: the cached states below were made without dropout, too."""
        return super().train(False)

    def forward(self, states_BLh: Tensor, mask_BL: Tensor, routing: Routing | None = None) -> Tensor:
        states = self.token_states(states_BLh, mask_BL, routing)
        return pool(states, mask_BL, self.pooling, normalize=self.normalize)

    def token_states(self, states_BLh: Tensor, mask_BL: Tensor, routing: Routing | None = None) -> Tensor:
        """Last hidden states ``[B, L, h]`` from the states that enter the suffix.

        Args:
            states_BLh: states that enter the suffix.
            mask_BL: true for tokens.
            routing: the scenario of each of the B rows, where there are adapters.
        """
        mask = additive_mask(mask_BL, states_BLh.dtype)
        with rows_of(routing) if routing is not None else nullcontext():
            return self.stack(states_BLh, attention_mask=mask)[0]

    def adapted(self) -> dict[str, Adapted]:
        """The modules that have adapters, by their full name in the whole model."""
        found = {}
        for name, module in self.stack.named_modules():
            if isinstance(module, Adapted):
                block, index, *rest = name.split(".")
                found[".".join([self.place.stack, block, str(self.place.first + int(index)), *rest])] = module
        return found

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters whose first dimension is the scenario, by name."""
        return {
            f"{name}.{key}": value
            for name, module in self.adapted().items()
            for key, value in module.scenario_parameters().items()
        }

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """Parameters of the backbone itself."""
        own = {id(parameter) for parameter in self.scenario_parameters().values()}
        return [parameter for parameter in self.parameters() if id(parameter) not in own]

    def parameters_per_scenario(self, scenario: str) -> int:
        """Number of parameters that a scenario owns: the same for all that joined, none for others."""
        if scenario not in self.scenarios:
            return 0
        return sum(parameter[0].numel() for parameter in self.scenario_parameters().values())

    def follow(self, optimizer: torch.optim.Optimizer, steps: int) -> None:
        """Let adapters that do more than descend (AdaLoRA) see each of so many steps of the optimizer."""
        modules = [module for module in self.adapted().values() if isinstance(module, AdaLoraLinear)]
        if modules:
            self.budget.follow(optimizer, modules, steps)


def _without_frozen(module: nn.Module, state: dict[str, Tensor], prefix: str, _: Mapping[str, Any]) -> None:
    """Checkpoints leave out what adapters stand around: it comes with the backbone."""
    assert isinstance(module, Suffix)
    if module.options is not None:
        for parameter_name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                state.pop(prefix + parameter_name, None)


def additive_mask(mask_BL: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask that layers expect below the model's own front end: ``[B, 1, 1, L]``, 0 for tokens, most negative
    number for padding. The layers ignore the shape of a 2-D mask silently, which is why a cut must pass this one.
    """
    return (1.0 - mask_BL[:, None, None, :].to(dtype)) * torch.finfo(dtype).min
