"""Growth: a scenario that a trained model never saw gets a place in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from polyscene.adapters.assorted import grown_bank
from polyscene.config.choice import Choice
from polyscene.errors import ConfigError
from polyscene.model.parts import ScenarioParts

if TYPE_CHECKING:
    from polyscene.model.network import PolysceneModel


def grow(model: PolysceneModel, name: str, parts: ScenarioParts, adapter: Choice) -> None:
    """As :meth:`PolysceneModel.grow`.

    Raises:
        ConfigError: the model has the scenario.
    """
    if name in model.index:
        raise ConfigError(f"the model has a scenario '{name}' already", where=name, fix="add another one")
    device = model.device
    model.index[name] = add_place(model, adapter)
    model.names.append(name)
    model.n_items[name] = parts.n_items
    model.items[name] = parts.items
    if parts.users is not None:
        model.users[name] = parts.users
    if parts.events is not None:
        model.events[name] = parts.events
    model.tasks[name] = nn.ModuleDict(parts.tasks)
    if parts.priors is not None:
        model.priors[name] = parts.priors
    model.to(device)


def add_place(model: PolysceneModel, adapter: Choice) -> int:
    """A further slice in every bank and in the router; returns its index."""
    index = model.user_bank.n_scenarios
    model.user_bank = grown_bank(model.user_bank, adapter)
    model.item_bank = grown_bank(model.item_bank, adapter)
    if model.pair_bank is not None:
        model.pair_bank = grown_bank(model.pair_bank, adapter)
    if model.router is not None:
        model.router.grow()
    return index
