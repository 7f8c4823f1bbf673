"""CAVIA: a task is a vector."""

from __future__ import annotations

from typing import ClassVar

from polyscene.training.meta.algorithm import GradientAlgorithm


class Cavia(GradientAlgorithm):
    """Fast is only a vector that is added to states in front of the bank of users, 0 when a task begins
    [Zintgraf et al., ICML 2019].

    All parameters are slow, so that a task costs d numbers, and states are computed once.
    """

    groups: ClassVar[tuple[str, ...]] = ()
    context: ClassVar[bool] = True
