"""First-order MAML: inner gradients are constants."""

from __future__ import annotations

from typing import ClassVar

from polyscene.training.meta.algorithm import GradientAlgorithm


class Fomaml(GradientAlgorithm):
    """The gradient of the query loss, taken where adaptation ends, moves the start [Finn et al., ICML 2017].

    About a third of the cost of MAML, and no second derivative.
    """

    second_order: ClassVar[bool] = False
