"""Which parameters of a model are fast for the tasks of one scenario."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank
from polyscene.backbone.suffix import Suffix
from polyscene.data.domains import scenario_of
from polyscene.errors import ConfigError
from polyscene.features.encoder import Encoder
from polyscene.model import PolysceneModel
from polyscene.training.meta.inner import FastParameters


@dataclass
class Stack:
    """Tensors whose first dimension is the scenario, and the place of one scenario in it.

    Args:
        place: the scenario's row.
        names: the tensors' names in the model, parameters and buffers.
        alone: whether the scenario's rows can stand for the whole: nothing reads those of other scenarios.
    """

    place: int
    names: list[str] = field(default_factory=list)
    alone: bool = False


class FastGroups:
    """The fast parameters of a scenario's tasks: parameters of the model, and slices of those that are stacked.

    Groups: ``head`` is the scenario's tasks; ``adapter`` its slices of the banks; ``body`` the sequence model,
    the scenario's encoders and what its banks share, without vectors that are looked up; ``suffix`` its adapters
    inside the backbone. A task thus carries what belongs to it and never a stack or a table.

    Args:
        model: the model.
        name: the scenario.
        groups: names of groups.
        wanted: whether each group was asked for by name; otherwise one that holds nothing here is passed over.

    Attributes:
        names: the fast parameters by their name in the model.
        stacks: everything stacked of the banks and the suffix.

    Raises:
        ConfigError: a group that is wanted, or all of them together, hold nothing in this model.
    """

    def __init__(self, model: PolysceneModel, name: str, groups: Iterable[str], *, wanted: bool = False) -> None:
        self.model, self.name, self.groups = model, name, tuple(groups)
        named = {id(tensor): key for key, tensor in (*model.named_parameters(), *model.named_buffers())}
        self.stacks = {prefix: _stack(bank, place, named) for prefix, bank, place in _banks(model, name)}
        suffixes = [module for module in model.modules() if isinstance(module, Suffix) and module.options]
        for number, suffix in enumerate(suffixes):
            place = suffix.scenarios.index(scenario_of(name))
            found = [named[id(p)] for p in suffix.scenario_parameters().values()]
            self.stacks[f"suffix {number}"] = Stack(place, found)
        self.place = {key: stack.place for stack in self.stacks.values() for key in stack.names}
        members = {group: self._members(group, named) for group in self.groups}
        self.names = [key for names in members.values() for key in names]
        for group, names in members.items():
            if not names and (wanted or not self.names):
                raise ConfigError(
                    f"scenario '{name}' has no parameters in the group '{group}'",
                    where="strategy.fast",
                    fix=_FIXES[group],
                )

    def start(self) -> FastParameters:
        """The parameters themselves, or the scenario's slices ``[1, ...]``, differentiable."""
        return {name: self._own(name) for name in self.names}

    def substitutes(self, fast: FastParameters) -> dict[str, Tensor]:
        """What stands in the model's place of parameters and buffers, by name, when it is called with these.

        A stack that can stand alone is its slice: a scenario's forward pass then reads place 0.
        """
        found = {name: value for name, value in fast.items() if name not in self.place}
        for stack in self.stacks.values():
            if stack.alone:
                found |= {name: fast.get(name, self._own(name)) for name in stack.names}
            else:
                found |= {name: self._replaced(name, fast[name]) for name in stack.names if name in fast}
        return found

    def _own(self, name: str) -> Tensor:
        tensor = self._tensor(name)
        place = self.place.get(name)
        return tensor if place is None else tensor[place : place + 1]

    def _replaced(self, name: str, slice_1: Tensor) -> Tensor:
        stacked, place = self._tensor(name), self.place[name]
        return torch.cat([stacked[:place], slice_1, stacked[place + 1 :]])

    def _tensor(self, name: str) -> Tensor:
        module_name, _, leaf = name.rpartition(".")
        return getattr(self.model.get_submodule(module_name), leaf)

    def _members(self, group: str, named: dict[int, str]) -> list[str]:
        members = {"head": self._head, "adapter": self._adapter, "body": self._body, "suffix": self._suffix}[
            group
        ]()
        return list(dict.fromkeys(named[id(p)] for p in members if p.requires_grad))

    def _head(self) -> Iterator[nn.Parameter]:
        return self.model.tasks[self.name].parameters()

    def _adapter(self) -> Iterator[nn.Parameter]:
        for _, bank, _ in _banks(self.model, self.name):
            yield from bank.scenario_parameters().values()

    def _suffix(self) -> Iterator[nn.Parameter]:
        for module in self.model.modules():
            if isinstance(module, Suffix) and module.options:
                yield from module.scenario_parameters().values()

    def _body(self) -> Iterator[nn.Parameter]:
        model, name = self.model, self.name
        parts = [part[name] for part in (model.items, model.users, model.events) if name in part]
        modules = [module for part in parts for module in part.modules()]
        modules += [one for module in modules if isinstance(module, Encoder) for one in module.shared.values()]
        modules = [one for module in modules for one in module.modules()]
        frozen = {id(p) for module in modules if isinstance(module, Suffix) for p in module.parameters()}
        # What is looked up may be kept by the encoder or by a module that several share.
        tables = {
            id(p) for module in modules for key in getattr(module, "looked_up", ()) for p in [getattr(module, key)]
        }
        for module in (model.sequence, *modules):
            yield from (p for p in module.parameters() if id(p) not in frozen | tables)
        for _, bank, _ in _banks(model, name):
            joint = {id(p) for p in bank.joint_parameters().values()}
            yield from (p for p in bank.shared_parameters().values() if id(p) not in joint)


def _banks(model: PolysceneModel, name: str) -> Iterator[tuple[str, AdapterBank, int]]:
    """The banks of one kind that a scenario's rows go through, with the scenario's place in each."""
    for prefix in ("user_bank", "item_bank", "pair_bank"):
        bank = getattr(model, prefix)
        for one, scenarios in bank.uniform() if bank is not None else ():
            if model.index[name] in scenarios:
                yield prefix, one, scenarios.index(model.index[name])


def _stack(bank: AdapterBank, place: int, named: dict[int, str]) -> Stack:
    stacked = (
        *bank.scenario_parameters().values(),
        *bank.joint_parameters().values(),
        *bank.scenario_buffers().values(),
    )
    return Stack(place, [named[id(tensor)] for tensor in stacked], alone=not bank.joint_parameters())


_FIXES = {
    "head": "choose other groups, or tasks that learn something",
    "adapter": "choose an adapter that has parameters for each scenario (adapter=gate), or strategy.fast=[head]",
    "body": "choose other groups",
    "suffix": "train adapters in the backbone: backbone=lora",
}
