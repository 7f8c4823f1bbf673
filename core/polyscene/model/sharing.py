"""Which parameters of a model several scenarios share: what gradients of scenarios can disagree about."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import nn

from polyscene.features.encoder import Encoder

if TYPE_CHECKING:
    from polyscene.model.network import PolysceneModel


@runtime_checkable
class _Stacked(Protocol):
    """A module with parameters whose first dimension is the scenario: a bank, an adapted layer of the backbone."""

    def scenario_parameters(self) -> dict[str, nn.Parameter]: ...


def shared_parameters(model: PolysceneModel) -> dict[str, nn.Parameter]:
    """Trainable parameters that belong to no single scenario, by name.

    The sequence model, what banks share, and what encoders of several scenarios use together. A scenario's own
    encoders and tasks are not among them, and neither are stacked adapters, of which it has a slice each, nor the
    router, whose loss is no scenario's.
    """
    banks = [module for module in model.modules() if isinstance(module, _Stacked)]
    own = {id(parameter) for bank in banks for parameter in bank.scenario_parameters().values()}
    reached = Counter(key for name in model.names for key in _reached(model, name))
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
        and id(parameter) not in own
        and reached.get(id(parameter), 2) > 1
        and not name.startswith("router.")
    }


def _reached(model: PolysceneModel, name: str) -> set[int]:
    """Ids of the parameters of a scenario's encoders and tasks, with those that they share with others."""
    places = (model.items, model.users, model.events, model.tasks, model.priors)
    parts = [place[name] for place in places if name in place]
    modules = [module for part in parts for module in part.modules()]
    modules += [one for module in modules if isinstance(module, Encoder) for one in module.shared.values()]
    return {id(parameter) for module in modules for parameter in module.parameters()}
