"""The Jacobian of a step: one gradient of the shared parameters for each scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from polyscene.model import PolysceneModel
    from polyscene.training.step import Step


class Jacobian:
    """Gathers gradients of shared parameters scenario by scenario, over the batches of a step.

    Rows of a batch belong to one scenario each, so a forward and a backward for each scenario's rows alone cost
    together about what they cost for all rows at once, and give every row of the Jacobian: K backward passes
    through one graph of all rows cost K times as much. Nothing is asked of the model's modules, as vmap would.

    Args:
        model: says which parameters are shared; P numbers together, of one dtype.
    """

    def __init__(self, model: PolysceneModel) -> None:
        self.model = model
        self.parameters = list(model.shared_parameters().values())
        self.sizes = [parameter.numel() for parameter in self.parameters]
        self.rows: dict[str, Tensor] = {}
        self.mass: dict[str, float] = {}

    @contextmanager
    def row(self, name: str, share: float = 1.0) -> Iterator[None]:
        """Let a backward pass inside add to a scenario's row, what it gives to other parameters apart.

        Args:
            name: the scenario.
            share: by what its loss is multiplied; :meth:`stacked` takes it out again.
        """
        self.mass[name] = self.mass.get(name, 0.0) + share
        for parameter, piece in zip(self.parameters, self._pieces(self._row(name)), strict=True):
            parameter.grad = piece
        try:
            yield
        finally:
            for parameter in self.parameters:
                parameter.grad = None

    def stacked(self, names: Sequence[str]) -> Tensor:
        """``J`` as ``[K, P]``: gradients of the losses of the scenarios, each the mean over its batches."""
        # Divided row by row: a tensor of these numbers would have to be copied to the device while it waits.
        return torch.stack([self.rows[name] / self.mass[name] for name in names])

    def clear(self) -> None:
        """Begin the next step."""
        self.rows, self.mass = {}, {}

    def average(self, step: Step, names: Sequence[str]) -> None:
        """Average rows and all other gradients over processes, and give all of them what the first one counts.

        Every process must call it, with the same names; a process may hold some of the scenarios only.
        """
        mass_K = torch.tensor([self.mass.get(name, 0.0) for name in names], device=self.model.device)
        sums: Any = step.fabric.all_reduce([mass_K, *(self._row(name) for name in names)], reduce_op="mean")
        self.mass = {name: mass for name, mass in zip(names, sums[0].tolist(), strict=True) if mass}
        self.rows = dict(zip(names, sums[1:], strict=True))
        shared = {id(parameter) for parameter in self.parameters}
        step.average_gradients(p for p in self.model.parameters() if p.requires_grad and id(p) not in shared)
        step.share_state()

    def put(self, gradient_P: Tensor) -> None:
        """Make this the gradient of the shared parameters."""
        for parameter, piece in zip(self.parameters, self._pieces(gradient_P), strict=True):
            parameter.grad = piece

    def _row(self, name: str) -> Tensor:
        if name not in self.rows:
            like = self.parameters[0]
            self.rows[name] = torch.zeros(sum(self.sizes), dtype=like.dtype, device=like.device)
        return self.rows[name]

    def _pieces(self, flat_P: Tensor) -> list[Tensor]:
        pieces = flat_P.split(self.sizes)
        return [piece.view_as(p) for piece, p in zip(pieces, self.parameters, strict=True)]
