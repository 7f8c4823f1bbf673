"""The policy contract: which of the candidates to show, and how probable that was."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from polyscene.config.validate import bounded
from polyscene.contract import with_shape
from polyscene.experiments.policies.candidates import Candidates, Chances, Choice, Rewards

__all__ = ["Candidates", "Chances", "Choice", "Policy", "PolicyConfig", "Rewards"]


@dataclass
class PolicyConfig:
    """Options of every policy.

    Args:
        pool: number of items, of the highest scores, from which a list is chosen.
    """

    pool: int = bounded(100, at_least=1)


class Policy(nn.Module, ABC):
    """Orders candidates by one of several valuations, or now and then, where it explores, at random.

    A subclass values the pool S times. One of the valuations is drawn and its best ``k`` are shown; with
    probability ``epsilon`` the list is ``k`` items of the pool in random order instead. So an item's probability
    at a place is ``(1 - epsilon) share + epsilon / P``, where ``share`` is the part of the S valuations that put
    it there: known exactly, nothing is estimated. Where the valuations themselves are drawn (Thompson), it is the
    probability given these draws. They know nothing of what the user will do, so weighting by it is unbiased.
    Every item of the pool can stand at every place as long as epsilon is above 0.

    What a policy knows is in its buffers, so its state is kept, moved and loaded as a module's.

    Args:
        config: the policy's options.
        d: width of user states and item vectors; 0 for policies that read none.
    """

    name: ClassVar[str] = ""
    reads_vectors: ClassVar[bool] = False
    """Whether it needs vectors and a user state, and learns from rewards."""

    def __init__(self, config: PolicyConfig, d: int = 0) -> None:
        super().__init__()
        self.config, self.d = config, d

    @property
    def epsilon(self) -> float:
        """The share of lists that are shown in random order."""
        return getattr(self.config, "epsilon", 0.0)

    @abstractmethod
    def values(self, pool: Candidates, context: Tensor | None, generator: torch.Generator) -> Tensor:
        """Valuations ``[S, P]`` of the pool, each as likely as the others.

        Args:
            pool: the items to choose from, the best score first.
            context: see :meth:`context`.
            generator: of random numbers, on the CPU.
        """

    def context(self, pool: Candidates) -> Tensor | None:
        """What ``values`` and ``learn`` see of the user and the pool as a whole ``[c]``; ``None`` for nothing."""
        del pool
        return None

    def learn(self, rewards: Rewards) -> None:
        """Take in what shown items brought, each reward once; nothing for a policy that does not learn."""

    def choose(self, candidates: Candidates, k: int, seed: int) -> Choice:
        """A list of ``k`` items, or of all where they are fewer; the same for the same seed.

        Args:
            candidates: what may be shown.
            k: length of the list.
            seed: another one for each list, as from ``secrets.randbits(63)``.
        """
        generator = torch.Generator().manual_seed(seed)
        at_P, top_Sk, context = self._ranked(candidates, k, generator)
        chances = self._chances(at_P, top_Sk)
        draw, which = torch.rand(2, generator=generator).tolist()
        if draw < self.epsilon:
            chosen_k = torch.randperm(len(at_P), generator=generator)[: top_Sk.shape[1]].to(at_P.device)
        else:
            chosen_k = top_Sk[int(which * len(top_Sk))]
        propensity_k = chances.chance_kP.gather(1, chosen_k.unsqueeze(1)).squeeze(1)
        told = None if context is None else tuple(context.tolist())
        return Choice(at_P[chosen_k], propensity_k, told)

    def chances(self, candidates: Candidates, k: int, seed: int) -> Chances:
        """The probability of every item of the pool at every place; arguments as of :meth:`choose`."""
        at_P, top_Sk, _ = self._ranked(candidates, k, torch.Generator().manual_seed(seed))
        return self._chances(at_P, top_Sk)

    def _ranked(
        self, candidates: Candidates, k: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Pool, the best ``k`` of it by each valuation, and context."""
        size = min(self.config.pool, len(candidates.score_K))
        at_P = candidates.score_K.topk(size).indices
        pool = candidates.taken(at_P)
        context = self.context(pool) if size else None
        value_SP = self.values(pool, context, generator)
        value_SP = with_shape(value_SP, (len(value_SP), size), self, "a policy values its pool as [S, P]")
        # Stable, so that what a policy holds for equal stays in the model's order.
        top_Sk = value_SP.sort(dim=1, descending=True, stable=True).indices[:, : max(0, k)]
        return at_P, top_Sk, context

    def _chances(self, at_P: Tensor, top_Sk: Tensor) -> Chances:
        share = torch.full(top_Sk.shape, (1 - self.epsilon) / len(top_Sk), device=at_P.device, dtype=torch.float64)
        floor = self.epsilon / max(1, len(at_P))
        chance_kP = share.new_full((top_Sk.shape[1], len(at_P)), floor)
        return Chances(at_P, chance_kP.scatter_add_(1, top_Sk.T, share.T))
