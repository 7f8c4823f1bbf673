"""Cosines between the gradients of scenarios: which of them pull the shared model apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor

from polyscene.data.windows import Windows
from polyscene.training.balancers.jacobian import Jacobian
from polyscene.training.step import Step

METRIC = "cosine"


class Cosines:
    """Means of cosines over steps."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], Tensor] = {}

    def add(self, held: Sequence[str], gramian_KK: Tensor) -> None:
        """Add a step's inner products ``[K, K]`` of the gradients of the scenarios that it held."""
        norm_K = gramian_KK.diagonal().sqrt()
        cosine_KK = gramian_KK / (norm_K[:, None] * norm_K)
        # A scenario that reaches nothing shared has no direction: its cosine is 0 / 0.
        step_2KK = torch.stack([cosine_KK.nan_to_num(), (~cosine_KK.isnan()).to(cosine_KK.dtype)])
        key = tuple(held)
        self._sums[key] = self._sums[key] + step_2KK if key in self._sums else step_2KK

    def take(self) -> dict[str, float]:
        """The mean of each pair by ``a/cosine/b``, ``a`` before ``b``; forgets them. Waits for the device."""
        totals: dict[tuple[str, str], tuple[float, float]] = {}
        for held, sums_2KK in self._sums.items():
            sums, counts = sums_2KK.tolist()
            for (i, one), (j, other) in combinations(enumerate(held), 2):
                total, count = totals.get((one, other), (0.0, 0.0))
                totals[one, other] = (total + sums[i][j], count + counts[i][j])
        self._sums = {}
        return {
            f"{one}/{METRIC}/{other}": total / count for (one, other), (total, count) in totals.items() if count
        }


def gradient_cosines(step: Step, batch: Mapping[str, Windows]) -> dict[str, float]:
    """Cosines between the scenarios' gradients on one batch, as :meth:`Cosines.take` gives them.

    Empty where nothing is shared. Puts the model into eval mode, so that it counts and drops nothing; leaves no
    gradients.
    """
    step.model.eval()
    jacobian = Jacobian(step.model)
    if not jacobian.parameters:
        return {}
    for name, windows in batch.items():
        with jacobian.row(name):
            step.own_losses({name: windows})[name].backward()
    step.model.zero_grad(set_to_none=True)
    found = Cosines()
    J_KP = jacobian.stacked(list(batch)).float()
    found.add(list(batch), J_KP @ J_KP.T)
    return found.take()
