"""Options of meta-learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from polyscene.config.validate import bounded
from polyscene.errors import ConfigError, Problems, did_you_mean

NAMES = ("maml", "fomaml", "anil", "boil", "metasgd", "cavia", "reptile", "protonet")
"""The algorithms, see :mod:`polyscene.training.meta.algorithms`."""

GROUPS = ("head", "adapter", "body", "suffix")
"""Groups of fast parameters, see :mod:`polyscene.training.meta.groups`."""


@dataclass
class MetaConfig:
    """Options of the strategy ``meta``."""

    algorithm: str = "anil"
    """How a task is adapted to: maml, fomaml, anil, boil, metasgd, cavia, reptile or protonet."""
    task: Literal["user", "scenario"] = "user"
    """What a task is: a user, known by the first rows of a stretch, or a scenario, known by rows of any users."""
    support: int = bounded(8, at_least=1)
    """Rows that a task is adapted to."""
    query: int = bounded(8, at_least=1)
    """Later rows by which adaptation is judged."""
    tasks: int = bounded(8, at_least=1)
    """Tasks of each scenario in a batch."""
    inner_steps: int = bounded(3, at_least=1)
    """Gradient steps on the support rows."""
    inner_lr: float = bounded(0.1, at_least=0)
    """Learning rate of these steps; where rates are learned, what they begin at."""
    weight: float = bounded(1.0, at_least=0)
    """Factor of the episodes' loss beside that of the mixed batch."""
    multitask: bool = True
    """Learn from the mixed batch in every step, too; false trains by episodes alone."""
    fast: list[str] | None = None
    """Groups of parameters that are fast (head, adapter, body, suffix); null takes the algorithm's own."""
    router: bool = True
    """Where there is a router: let it learn, by episodes too, to recognize a scenario from few labelled rows."""

    def __post_init__(self) -> None:
        problems = Problems("strategy 'meta'")
        if self.algorithm not in NAMES:
            problems.add(
                f"there is no algorithm '{self.algorithm}'",
                fix=f"{did_you_mean(self.algorithm, NAMES)} (known: {', '.join(NAMES)})",
            )
        for group in self.fast or ():
            if group not in GROUPS:
                problems.add(f"'fast' names '{group}'", fix=did_you_mean(group, GROUPS))
        if self.fast is not None and self.algorithm in ("cavia", "protonet"):
            problems.add(
                f"'fast' is {self.fast}, and {self.algorithm} has no fast parameters of the model",
                fix="leave it out",
            )
        if self.algorithm == "protonet" and self.support < 2:
            problems.add(
                f"support is {self.support}, fewer shots than protonet has classes (2: liked and not liked)",
                fix="use strategy.support=2 or more",
            )
        problems.raise_if_any(ConfigError)
