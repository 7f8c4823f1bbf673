"""Reptile: the start moves towards where tasks end."""

from __future__ import annotations

import torch
from torch import Tensor

from polyscene.training.meta.algorithm import GradientAlgorithm, Tasks
from polyscene.training.meta.inner import FastParameters, settle


class Reptile(GradientAlgorithm):
    """``theta <- theta + e mean(theta' - theta)`` after steps on all rows of a task [Nichol et al., arXiv
    1803.02999].

    ``theta - theta'`` goes to the optimizer as a gradient, as its authors do with Adam; divided by the inner rate
    and the number of steps it has the size of one, which a mixture with other losses needs. Parameters that are
    not fast learn nothing from it.
    """

    def loss(self, tasks: Tasks) -> Tensor:
        start = tasks.start()
        rates, steps = self.rates(start), self.config.inner_steps

        def everything(fast: FastParameters) -> Tensor:
            return 0.5 * (tasks.support(fast) + tasks.query(fast))

        reached = settle(everything, start, tasks.count, rates, steps)
        with torch.no_grad():
            value_E = tasks.query(reached)
        scale = 0.5 / max(self.config.inner_lr * steps, torch.finfo(value_E.dtype).tiny)
        distances = [(start[name] - end).square().reshape(tasks.count, -1).sum(1) for name, end in reached.items()]
        distance_E = scale * torch.stack(distances).sum(0)
        return value_E + distance_E - distance_E.detach()
