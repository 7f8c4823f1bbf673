"""Scenarios that a model holds but does not learn: what belongs to them leaves training as it came."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import torch
from torch import Tensor

from polyscene.adapters.bank import AdapterBank
from polyscene.model import PolysceneModel


def freeze_others(model: PolysceneModel, learned: Collection[str]) -> None:
    """Take the encoders and tasks of all scenarios that are not learned out of training.

    What they share with a scenario that is learned (text projection, id spaces, sequence model) is trained.
    """
    for name in _held(model, learned):
        for parts in (model.items, model.users, model.events, model.tasks):
            if name in parts:
                parts[name].requires_grad_(requires_grad=False)


class HeldSlices:
    """The slices of stacked adapters that belong to scenarios that are not learned.

    No row reaches them, so their gradient is zero; but weight decay, and a router that mixes slices, would move
    them all the same.

    Args:
        model: the model, as training will move it.
        learned: the scenarios that are learned.
    """

    def __init__(self, model: PolysceneModel, learned: Collection[str]) -> None:
        self.model = model
        held = _held(model, learned)
        self.index_H = torch.tensor([model.index[name] for name in held], dtype=torch.long, device=model.device)
        self.kept = [tensor.detach()[self.index_H] for tensor in _stacked(model)] if held else []

    @torch.no_grad()
    def put_back(self) -> None:
        """Give the slices the values that they had when training began."""
        if self.kept:
            for tensor, kept_H in zip(_stacked(self.model), self.kept, strict=True):
                tensor.detach().index_copy_(0, self.index_H, kept_H)


def _held(model: PolysceneModel, learned: Collection[str]) -> list[str]:
    return [name for name in model.names if name not in learned]


def _stacked(model: PolysceneModel) -> Iterator[Tensor]:
    """Everything whose first dimension is the scenario, in the banks that the model holds."""
    for bank in model.children():
        if isinstance(bank, AdapterBank):
            yield from bank.scenario_parameters().values()
            yield from bank.scenario_buffers().values()
