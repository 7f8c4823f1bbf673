"""Random walk: who is reached from a person along links, by a walker who often starts anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from polyscene.config.validate import bounded
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import DataError
from polyscene.evaluation.baselines.sparse import row_counts, undirected
from polyscene.priors.counting import counted, log_above, per_item
from polyscene.priors.prior import Prior, PriorConfig, PriorData
from polyscene.registry.components import Component


@dataclass
class RandomWalkPriorConfig(PriorConfig):
    """Options of the random walk prior.

    Args:
        restart: chance at each step to go back to the person.
        steps: number of steps; what is left after them is (1 - restart) to that power.
        unit: chance from which on the score grows with its logarithm.
        limit: most people that are walked among: links are a dense matrix, 4 bytes a cell.
    """

    restart: float = bounded(0.5, at_least=0, at_most=1)
    steps: int = bounded(6, at_least=1)
    unit: float = bounded(1e-3, at_least=1e-9)
    limit: int = bounded(20_000, at_least=1)


class RandomWalkPrior(Prior):
    """``log(1 + v / unit)`` of the visits v to each person on a walk with restart [Tong et al., ICDM 2006].

    Links count in both directions, so a hidden link is taken out of the steps from both of its ends.

    Raises:
        DataError: items are not the users themselves, as friends are, or they are more than ``limit``.
    """

    config: RandomWalkPriorConfig
    link_NN: Tensor
    degree_N: Tensor

    def __init__(self, config: RandomWalkPriorConfig, data: PriorData) -> None:
        super().__init__(config, data)
        if data.own_item_U is None:
            raise DataError(
                "prior 'random_walk' follows links among people, and items here are not the users themselves",
                where=data.where,
                fix="choose 'linear' or 'co_occurrence', or give users and items the same space",
            )
        if data.events.n_items > config.limit:
            raise DataError(
                f"prior 'random_walk' would hold the links of {data.events.n_items:,} people as a dense matrix, "
                f"and its limit is {config.limit:,}",
                where=data.where,
                fix=f"choose 'linear', or raise its limit if there is memory "
                f"({4 * data.events.n_items**2 / 1e9:.1f} GB)",
            )
        self.register_buffer("own_item_U", data.own_item_U, persistent=False)
        self.own_item_U: Tensor

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        device, known = events.item_R.device, list(phases)
        user, row = events.rows(known)
        people = np.stack([self.own_item_U.cpu().numpy()[user], events.item_R.cpu().numpy()[row]])
        shape = (events.n_items, events.n_items)
        links = undirected(sparse.csr_matrix((np.ones(len(row), dtype=np.float32), tuple(people)), shape=shape))
        self.register_buffer("link_NN", torch.from_numpy(links.toarray()).to(device), persistent=False)
        degree_N = torch.from_numpy(row_counts(links).astype(np.float32))
        self.register_buffer("degree_N", degree_N.to(device), persistent=False)

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        n_items, keep = len(self.degree_N), 1 - self.config.restart
        at_QN = per_item(past, past.valid_BT.float(), n_items).clamp(max=1)
        at_QN = at_QN / at_QN.sum(dim=1, keepdim=True).clamp(min=1)
        cut = None if hidden is None else _Cut(self, past, hidden)
        visits_QN, share_N = keep * at_QN, 1 / self.degree_N.clamp(min=1)
        for step in range(2, self.config.steps + 1):
            at_QN = (at_QN * share_N) @ self.link_NN if cut is None else cut.step(at_QN)
            visits_QN = visits_QN + keep**step * at_QN
        return log_above(visits_QN, self.config.unit)


class _Cut:
    """Steps on the graph without the hidden links, which differ from row to row."""

    def __init__(self, prior: RandomWalkPrior, past: Windows, hidden: Windows) -> None:
        self.link_NN, self.degree_N = prior.link_NN, prior.degree_N
        self.user_Q = prior.own_item_U[past.user_B]
        # A link that the past holds as well stays: it was known before.
        held_QN = per_item(past, counted(past).float(), len(self.degree_N)) > 0
        gone_QH = counted(hidden) & ~held_QN.gather(1, hidden.item_BT)
        self.gone_QN = per_item(hidden, gone_QH.float(), len(self.degree_N)).clamp(max=1)
        degree_QN = self.degree_N - self.gone_QN
        degree_QN = degree_QN.scatter_add(1, self.user_Q.unsqueeze(1), -self.gone_QN.sum(dim=1, keepdim=True))
        self.share_QN = 1 / degree_QN.clamp(min=1)

    def step(self, at_QN: Tensor) -> Tensor:
        sent_QN = at_QN * self.share_QN
        user_Q1 = self.user_Q.unsqueeze(1)
        by_user_Q1 = sent_QN.gather(1, user_Q1)
        by_others_Q1 = (sent_QN * self.gone_QN).sum(dim=1, keepdim=True)
        # What would have gone along a hidden link, from the user or to the user, goes nowhere.
        moved_QN = sent_QN @ self.link_NN - by_user_Q1 * self.gone_QN
        return moved_QN.scatter_add(1, user_Q1, -by_others_Q1)


COMPONENT = Component("prior", "random_walk", RandomWalkPrior, RandomWalkPriorConfig)
