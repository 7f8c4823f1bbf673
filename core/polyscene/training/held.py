"""Scenarios that a model holds but does not learn: what belongs to them leaves training as it came."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank
from polyscene.model import PolysceneModel


def freeze_others(model: PolysceneModel, learned: Collection[str]) -> None:
    """Take the encoders and tasks of all scenarios that are not learned out of training.

    What they share with a scenario that is learned (text projection, id spaces, the encoders of other domains) is
    trained.
    """
    trained = {id(parameter) for name in learned for parameter in _own(model, name)}
    for name in _held(model, learned):
        for parameter in _own(model, name):
            if id(parameter) not in trained:
                parameter.requires_grad_(False)


class HeldSlices:
    """The slices of stacked adapters that belong to scenarios that are not learned.

    No row reaches them, so their gradient is zero; but weight decay, and a router that mixes slices, would move
    them all the same.

    Args:
        model: the model, as training will move it.
        learned: the scenarios that are learned.
    """

    def __init__(self, model: PolysceneModel, learned: Collection[str]) -> None:
        held = {model.index[name] for name in _held(model, learned)}
        self.banks = list(_banks(model, held))
        self.kept = [tensor.detach()[index_H] for tensor, index_H in self._stacked()]

    @torch.no_grad()
    def put_back(self) -> None:
        """Give the slices the values that they had when training began."""
        for (tensor, index_H), kept_H in zip(self._stacked(), self.kept, strict=True):
            tensor.detach().index_copy_(0, index_H, kept_H)

    def _stacked(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Everything whose first dimension is the scenario, with the rows to keep."""
        for bank, index_H in self.banks:
            for tensor in (*bank.scenario_parameters().values(), *bank.scenario_buffers().values()):
                yield tensor, index_H


def _held(model: PolysceneModel, learned: Collection[str]) -> list[str]:
    return [name for name in model.names if name not in learned]


def _own(model: PolysceneModel, name: str) -> Iterator[nn.Parameter]:
    for parts in (model.items, model.users, model.events, model.tasks, model.priors):
        if name in parts:
            yield from parts[name].parameters()


def _banks(model: PolysceneModel, held: Collection[int]) -> Iterator[tuple[AdapterBank, Tensor]]:
    """The banks of one kind that the model holds, with the rows of held scenarios in each."""
    for module in model.children():
        for bank, scenarios in module.uniform() if isinstance(module, AdapterBank) else ():
            rows = [row for row, scenario in enumerate(scenarios) if scenario in held]
            if rows:
                yield bank, torch.tensor(rows, device=model.device)
