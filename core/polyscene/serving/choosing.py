"""Who chooses what is shown: a policy for each scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from polyscene.serving.engine import Answer, Request


@dataclass(frozen=True)
class Chosen:
    """What is shown, and how it came about.

    Args:
        order: positions in the answer's items, in the order shown.
        policy: the name of the policy.
        propensities: the probability of each shown item at its place.
        experiment, arm: of the experiment that the user takes part in.
        context: what a contextual policy saw.
    """

    order: tuple[int, ...]
    policy: str
    propensities: tuple[float, ...] | None = None
    experiment: str | None = None
    arm: str | None = None
    context: tuple[float, ...] | None = None


class Chooser(Protocol):
    """Chooses what a user is shown from what the model ranks highest."""

    vectors: bool
    """Whether answers must bring states and item vectors."""

    def candidates(self, request: Request) -> int:
        """How many items to choose from; at least ``request.k``."""
        ...

    def choose(self, request: Request, answer: Answer) -> Chosen:
        """At most ``request.k`` of the answer's items."""
        ...


class Greedy:
    """Shows the best as the model ranks them, always."""

    vectors = False

    def candidates(self, request: Request) -> int:
        return request.k

    def choose(self, request: Request, answer: Answer) -> Chosen:
        shown = tuple(range(min(request.k, len(answer.items))))
        return Chosen(shown, "greedy", (1.0,) * len(shown))
