"""Prototypical networks: a class is the mean of its examples."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from polyscene.training.meta.algorithm import Algorithm, Tasks
from polyscene.training.meta.inner import FastParameters


class Protonet(Algorithm):
    """``p(y | x) = softmax_y(-||f(x) - c_y||^2)`` with ``c_y`` the mean of the support rows of class y [Snell et
    al., NeurIPS 2017].

    ``f(x)`` is the product ``h * x`` of the adapted vectors of user and item. The classes are liked and not liked
    where a task judges rows; where it ranks, what was chosen and the other items of the episode. Nothing is fast:
    the prototypes are all that a task has.
    """

    groups: ClassVar[tuple[str, ...]] = ()

    def loss(self, tasks: Tasks) -> Tensor:
        return tasks.query(tasks.prototypes())

    def adapt(self, tasks: Tasks) -> FastParameters:
        with torch.no_grad():
            return tasks.prototypes()
