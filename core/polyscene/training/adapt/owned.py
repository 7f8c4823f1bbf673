"""What adapting may change, and what it leaves as it came, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from polyscene.backbone.suffix import Suffix
from polyscene.model import PolysceneModel


class Owned:
    """A scenario's own part of a grown model; the rest is frozen.

    Own are its slices of stacked adapters (in banks and in the backbone), its tasks, its encoders and its copies
    of id spaces. The router has a step of its own, :mod:`polyscene.training.adapt.recognize`. No row reaches
    another scenario's slices, but weight decay would move them, and some kinds count what they see: so
    :meth:`put_back` follows each step.

    Args:
        model: the grown model.
        name: the new scenario.
        inherited: keys of the shared modules that the model had before.
        encoders: whether encoders and id spaces may change; if not, they stay at their start.
    """

    def __init__(
        self, model: PolysceneModel, name: str, inherited: frozenset[str], *, encoders: bool = True
    ) -> None:
        self.model, self.name = model, name
        model.requires_grad_(requires_grad=False)
        for parameter in self._whole(inherited, encoders=encoders):
            parameter.requires_grad_()
        stacked = list(self._stacked())
        by_row = {id(tensor) for tensor, _ in stacked}
        self._kept: list[tuple[Tensor, Tensor | None, Tensor]] = []
        for tensor, row in stacked:
            if isinstance(tensor, nn.Parameter):
                tensor.requires_grad_()
            others = [k for k in range(len(tensor)) if k != row]
            others_H = torch.tensor(others, dtype=torch.int64, device=tensor.device)
            self._kept.append((tensor, others_H, tensor.detach()[others_H].clone()))
        for module in (model.sequence, *model.banks(), *filter(None, [model.router])):
            for buffer in module.buffers():
                if id(buffer) not in by_row:
                    self._kept.append((buffer, None, buffer.clone()))

    def parameters(self) -> list[nn.Parameter]:
        """What is trained."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def tensors(self) -> list[Tensor]:
        """All that learning moves: what is trained, and stacked buffers that hold what the scenario counts."""
        buffers = [tensor for tensor, _ in self._stacked() if not isinstance(tensor, nn.Parameter)]
        return [*self.parameters(), *buffers]

    @torch.no_grad()
    def put_back(self) -> None:
        """Give everything that is not the scenario's own the values that it had."""
        for tensor, index_H, kept in self._kept:
            if index_H is None:
                tensor.copy_(kept)
            else:
                tensor.detach().index_copy_(0, index_H, kept)

    def _whole(self, inherited: frozenset[str], *, encoders: bool) -> Iterator[nn.Parameter]:
        model = self.model
        yield from model.tasks[self.name].parameters()
        if self.name in model.priors:
            yield from model.priors[self.name].parameters()
        if not encoders:
            return
        for parts in (model.items, model.users, model.events):
            if self.name in parts:
                yield from parts[self.name].parameters()
        for key, module in model.shared.modules_by_key.items():
            if key not in inherited:
                yield from module.parameters()

    def _stacked(self) -> Iterator[tuple[Tensor, int]]:
        """Everything whose first dimension is the scenario, with the scenario's row of it."""
        index = self.model.index[self.name]
        for whole in self.model.banks():
            for bank, scenarios in whole.uniform():
                if index not in scenarios:
                    continue
                tensors = bank.scenario_parameters() | bank.joint_parameters() | bank.scenario_buffers()
                yield from ((tensor, scenarios.index(index)) for tensor in tensors.values())
        for module in self.model.modules():
            if isinstance(module, Suffix) and self.name in module.scenarios:
                for adapted in module.adapted().values():
                    tensors = adapted.scenario_parameters() | adapted.scenario_buffers()
                    yield from ((tensor, module.scenarios.index(self.name)) for tensor in tensors.values())
