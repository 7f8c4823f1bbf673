"""From what the model ranks highest to what is shown."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, replace

import torch

from polyscene.experiments.plan import NONE, Side
from polyscene.experiments.policies import Candidates, Greedy, Policy
from polyscene.serving.engine import Answer, Request

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chosen:
    """What is shown, and how it came about.

    Args:
        order: positions in the answer's items, in the order shown.
        policy: the name of the policy.
        propensities: the probability of each shown item at its place.
        side: where the user stands.
        context: what a contextual policy saw.
        trouble: why the policy did not choose, where it should have.
    """

    order: tuple[int, ...]
    policy: str
    propensities: tuple[float, ...] | None = None
    side: Side = NONE
    context: tuple[float, ...] | None = None
    trouble: str = ""


class Chooser:
    """Chooses for the users of a scenario who stand on one side.

    Args:
        policy: who chooses.
        side: the side.
    """

    def __init__(self, policy: Policy, side: Side) -> None:
        self.policy, self.side = policy, side
        # The best in their order need nothing of what other policies need, and most lists are of these.
        self._greedy = type(policy) is Greedy
        self.vectors = policy.reads_vectors
        """Whether answers must bring states and item vectors."""

    def wanted(self, request: Request) -> Request:
        """The request for the items to choose from."""
        pool = self.policy.config.pool
        return request if self._greedy or request.k >= pool else replace(request, k=pool)

    def choose(self, request: Request, answer: Answer) -> Chosen:
        """At most ``request.k`` of the answer's items. Where the policy fails, the best are shown.

        Args:
            request: as it came.
            answer: to :meth:`wanted`.
        """
        if self._greedy:
            return best(request, answer, self.side)
        try:
            return self._chosen(request, answer)
        except Exception:
            _LOG.exception("policy '%s' failed", self.policy.name)
            # Nobody knows how probable it was to come here.
            trouble = (
                f"policy '{self.policy.name}' failed, and the best are shown; the reason is in the server's log"
            )
            return replace(best(request, answer, self.side), propensities=None, trouble=trouble)

    def _chosen(self, request: Request, answer: Answer) -> Chosen:
        score_K, vectors = torch.tensor(answer.scores, dtype=torch.float64), answer.vectors
        candidates = Candidates(score_K)
        if self.vectors and vectors is not None:
            candidates = Candidates(score_K, vectors.item_Kd.cpu(), vectors.state_d.cpu())
        with torch.inference_mode():
            choice = self.policy.choose(candidates, request.k, secrets.randbits(63))
        order, chances = choice.order_k.tolist(), choice.propensity_k.tolist()
        # Below its pool a policy has no choice, and the model's order goes on.
        rest = range(self.policy.config.pool, min(request.k, len(answer.items)))
        return Chosen(
            (*order, *rest),
            self.policy.name,
            (*(min(1.0, chance) for chance in chances), *(1.0 for _ in rest)),
            self.side,
            choice.context,
        )


def best(request: Request, answer: Answer, side: Side = NONE) -> Chosen:
    """The best as the model ranks them, always."""
    shown = tuple(range(min(request.k, len(answer.items))))
    return Chosen(shown, Greedy.name, (1.0,) * len(shown), side)


def shown(answer: Answer, chosen: Chosen) -> Answer:
    """The answer as it is shown."""
    order = chosen.order
    if order == tuple(range(len(answer.items))):
        return answer
    return replace(
        answer,
        items=tuple(answer.items[place] for place in order),
        scores=tuple(answer.scores[place] for place in order),
        shares=tuple(answer.shares[place] for place in order) if answer.shares else (),
        reasons=tuple(answer.reasons[place] for place in order) if answer.reasons else (),
    )
