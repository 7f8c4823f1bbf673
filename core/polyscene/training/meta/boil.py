"""BOIL: body only, inner loop."""

from __future__ import annotations

from typing import ClassVar

from polyscene.training.meta.algorithm import GradientAlgorithm


class Boil(GradientAlgorithm):
    """MAML with everything fast but the head: a task changes what is seen, not how it is judged [Oh et al.,
    ICLR 2021].

    The body is the sequence model, what encoders compute with, and the adapters. Vectors that are looked up (ids,
    categories, tags) stay slow: of a table few rows would move, and every task would carry all of it.
    """

    groups: ClassVar[tuple[str, ...]] = ("adapter", "body")
