"""ANIL: almost no inner loop."""

from __future__ import annotations

from typing import ClassVar

from polyscene.training.meta.algorithm import GradientAlgorithm


class Anil(GradientAlgorithm):
    """MAML with the head alone fast: everything below it is computed once for a task [Raghu et al., ICLR 2020]."""

    groups: ClassVar[tuple[str, ...]] = ("head",)
