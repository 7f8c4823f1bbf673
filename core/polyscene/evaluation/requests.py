"""Requests: who is to be recommended what, from which past, and what should be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows, take_windows
from polyscene.evaluation.metrics import known_tails
from polyscene.retrieval.pairs import Pairs, left_out


@dataclass(frozen=True)
class Population:
    """A group of targets that is reported on its own.

    Args:
        name: ``warm`` (test rows), ``cold`` (cold items ranked among cold items), ``cold_all`` (cold items ranked
            among all), ``cold_user`` (test rows of users kept out of training) or ``cold_both`` (cold items
            ranked among cold items, for such users). Those without ``user`` or ``both`` ask other users only.
        phase: the phase of the targets.
        cold_candidates: whether only cold items are ranked.
        cold_users: whether the users are those kept out of training, or the others.
    """

    name: str
    phase: Phase
    cold_candidates: bool = False
    cold_users: bool = False


POPULATIONS = (
    Population("warm", Phase.TEST),
    Population("cold", Phase.COLD, cold_candidates=True),
    Population("cold_all", Phase.COLD),
    Population("cold_user", Phase.TEST, cold_users=True),
    Population("cold_both", Phase.COLD, cold_candidates=True, cold_users=True),
)
VALIDATION = Population("validation", Phase.VALIDATION)


@dataclass(frozen=True)
class Requests:
    """B requests of one scenario.

    Args:
        user_B: int64 user of each request.
        start_B, stop_B: rows of events that are the request's past (for triples, the row with the relation).
        targets: what should be found.
        masked: what is left out of the ranking.
    """

    user_B: Tensor
    start_B: Tensor
    stop_B: Tensor
    targets: Pairs
    masked: Pairs | None

    def windows(self, events: Events, length: int) -> Windows:
        """The last ``length`` rows of each request's past."""
        first_B = torch.maximum(self.start_B, self.stop_B - length)
        return take_windows(events, self.user_B, first_B, self.stop_B, length)


def user_requests(
    events: Events,
    population: Population,
    *,
    mask_history: bool,
    batch: int,
    limit: int = 0,
    own_item_U: Tensor | None = None,
) -> Iterator[Requests]:
    """One request per user who has targets; the past is everything before the targets' phase.

    Args:
        events: the scenario's events.
        population: which targets.
        mask_history: whether the past is left out of the ranking.
        batch: requests at a time.
        limit: at most so many users, evenly spaced over all; 0 takes all.
        own_item_U: where items are people, the item that each user is: nobody is recommended to themselves.
    """
    # Cold rows are asked for at the same moment as test rows: before either is known.
    past_stop = min(int(population.phase), int(Phase.TEST))
    start_UP = events.start_UP
    target_U = start_UP[:, population.phase + 1] > start_UP[:, population.phase]
    user = (target_U & (events.cold_U == population.cold_users)).nonzero().squeeze(1)
    for user_B in _batches(user, limit, batch):
        start_B, stop_B = start_UP[user_B, 0], start_UP[user_B, past_stop]
        targets = Pairs.of_windows(
            events.item_R, start_UP[user_B, population.phase], start_UP[user_B, population.phase + 1]
        )
        own_item_B = None if own_item_U is None else own_item_U[user_B]
        masked = left_out(events, start_B, stop_B, mask_history=mask_history, own_item_B=own_item_B)
        yield Requests(user_B, start_B, stop_B, targets, masked)


def triple_requests(events: Events, population: Population, *, batch: int, limit: int = 0) -> Iterator[Requests]:
    """One request per fact of the phase: find the tail of (head, relation, ?), all other true tails left out."""
    if population.cold_users:
        return
    rows = events.rows(Phase, context=True)
    user_N, row_N = (torch.from_numpy(array).to(events.item_R.device) for array in rows)
    relation_R = events.columns["relation"].long()
    key_N = user_N * (int(relation_R.max()) + 1) + relation_R[row_N]
    stop_U = events.start_UP[:, population.phase + 1]
    wanted_N = (row_N >= events.start_UP[user_N, population.phase]) & (row_N < stop_U[user_N])
    for index_B in _batches(wanted_N.nonzero().squeeze(1), limit, batch):
        user_B, row_B = user_N[index_B], row_N[index_B]
        tail_B = events.item_R[row_B].long()
        known = known_tails(key_N, events.item_R[row_N].long(), key_N[index_B])
        others = known.item_M != tail_B[known.row_M]
        asked = Pairs(torch.arange(len(tail_B), device=tail_B.device), tail_B)
        yield Requests(user_B, row_B, row_B + 1, asked, Pairs(known.row_M[others], known.item_M[others]))


def evenly_spaced(count: int, limit: int) -> Tensor:
    """Positions of at most ``limit`` of ``count`` requests, the same on every device: int64."""
    return torch.linspace(0, count - 1, min(limit, count)).long()


def _batches(index: Tensor, limit: int, batch: int) -> tuple[Tensor, ...]:
    """At most ``limit`` of the indices, evenly spaced, in batches; none where there are none."""
    if limit and len(index) > limit:
        index = index[evenly_spaced(len(index), limit).to(index.device)]
    return index.split(batch) if len(index) else ()
