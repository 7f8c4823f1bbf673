"""The mixture: a scenario's priors beside the network, each through a gate that is learned and never negative."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.config.controls import PARTS
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows, take_windows
from polyscene.priors.borrowing import Borrowing, ItemVectors
from polyscene.priors.occurrence import TERMS, Occurrence
from polyscene.priors.prior import Prior, PriorData

NETWORK = "network"
"""The first gate is the network's."""
NO_PRIORS, PRIORS_ONLY = PARTS
# Rows of a history beyond these say little that the others do not; memory of a request grows with them.
LONGEST = 2_000
# Histories that show how alike scores of items with like texts are, and scores of a large catalogue at most.
_HISTORIES, _SCORES = 64, 20_000_000
# A gate that starts closed must still be able to open.
_CLOSED = 1e-2
# The scale of gates: of no history at all, and of one that is no shorter than those of nearly all users.
SHORT, LONG = 0, 1
# The share of users whose histories are shorter than the end of the scale.
_SHORTER = 0.05


class PriorMixture(nn.Module):
    """``s(u, i) = g_0 s_network(u, i) + sum_p g_p s_p(u, i) + sum_t w_t t(i)`` with gates ``g = exp(a)``.

    Gates are never negative, the weights of the two terms of :class:`polyscene.priors.occurrence.Occurrence` may
    be: network and priors all know how popular items are, so together they know it too well, and what is bought
    every week is hardly ever new to a customer. Each view of the scenario has gates and weights of its own.

    How much the parts are worth depends on what is known of a user: after one row the network knows a little and
    counting nearly nothing. So gates and weights have two ends, for no history and for one as long as those of
    users at hand, and the ``a`` and ``w`` of a user with ``L`` rows lie between them by ``log(1 + L)``.

    The network learns without priors and the gates are fitted afterwards (:mod:`polyscene.training.settling`).
    Learning both at once came out worse: the network then learns what counting does not know of rows that it sees
    again and again.

    Of an item that no row holds priors know nothing; with ``lenders`` it borrows from the known items whose texts
    are nearest, see :class:`polyscene.priors.borrowing.Borrowing`.

    Args:
        priors: by name; at least one.
        events: the scenario's rows, on the device.
        views: names of the scenario's views.
        of_facts: whether each request is a fact to be completed, of which the priors get the one row.
        lenders: how many known items an unknown one borrows from; 0 borrows nothing.
        item_vectors: gives text vectors ``[N, h]`` of the items; None where they have no text.

    Attributes:
        part: which part of the scores is asked for: empty for all, ``no_priors`` for the network alone,
            ``priors_only`` for the priors with gates of their own.
        usual: rows from which on a history is as long as any; one user in twenty has fewer.
    """

    part: str = ""
    usual: Tensor

    def __init__(
        self,
        priors: Mapping[str, Prior],
        events: Events,
        views: Sequence[str],
        *,
        of_facts: bool = False,
        lenders: int = 0,
        item_vectors: ItemVectors = lambda: None,
    ) -> None:
        super().__init__()
        self.priors = nn.ModuleDict(priors)
        self.views, self.events, self.of_facts = list(views), events, of_facts
        # For each part: with the network, and without it, in every view. Kept by name, so that a new scenario can
        # start from the gates that others have for the same thing.
        first = {NETWORK: 1.0, **{name: prior.config.first_gate for name, prior in priors.items()}}
        logs = {name: math.log(max(gate, _CLOSED)) for name, gate in first.items()}
        shape = (2, len(self.views), 2)
        self.gate_2VE = nn.ParameterDict({name: torch.full(shape, log) for name, log in logs.items()})
        self.weight_2VE = nn.ParameterDict({name: torch.zeros(shape) for name in TERMS})
        # All that is known of a head is known whenever it is asked for: requests are as long as any.
        self.register_buffer("usual", torch.tensor(1.0 if of_facts else _usual(events)))
        self.occurrence = Occurrence(events.n_items)
        blind = [place for place, prior in enumerate(priors.values()) if not prior.reads_texts]
        self.borrowing = Borrowing(item_vectors, lenders, blind) if lenders else None
        # The network learns without priors: the training rows are counted when scores are first asked for.
        self._known = events, frozenset([Phase.TRAIN])
        self._counted: tuple[Events, frozenset[Phase]] | None = None
        self.longest = self._longest(events)

    def names(self) -> list[str]:
        """Names of what is added up: the network, the priors, the terms of occurrence."""
        return [NETWORK, *self.priors, *TERMS]

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        """Count the rows of some phases; counting the same again is free."""
        self._known, self.longest = (events, frozenset(phases)), self._longest(events)
        self._count()

    def receive(self, data: PriorData) -> None:
        """Serve items and users that came after training."""
        self._count()
        for prior in self._priors().values():
            prior.receive(data)
        if self.borrowing is not None:
            self.borrowing.item_vectors = data.item_vectors
            self.borrowing.receive(self._users(data.events.n_items), self._sampled)

    def _count(self) -> None:
        """Count the rows that are known, unless they are counted already."""
        events, phases = self._known
        # Events are never changed in place.
        if self._counted is not None and self._counted[0] is events and self._counted[1] == phases:
            return
        for prior in self._priors().values():
            prior.observe(events, phases)
        self.occurrence.observe(events, phases)
        if self.borrowing is not None:
            self.borrowing.observe(self._users(events.n_items), self._sampled)
        self._counted = self._known

    def _users(self, n_items: int) -> Tensor:
        """Users of each item ``[N]``, none of those that came after the count."""
        users_N = functional.pad(self.occurrence.users_N, (0, n_items - len(self.occurrence.users_N)))
        # Among few labels nearly every item is without one, and yet not new.
        return users_N if self._known[0].labelled_R is None else users_N.clamp(min=1)

    def _sampled(self) -> Tensor:
        """Scores ``[P + 2, Q, N]`` for some of the histories that were counted."""
        events, _ = self._known
        start_U, stop_U = events.start_UP[:, Phase.TRAIN], events.start_UP[:, Phase.TRAIN + 1]
        user_H = (stop_U > start_U).nonzero().flatten()
        histories = min(_HISTORIES, max(1, _SCORES // events.n_items), len(user_H))
        user_Q = user_H[torch.linspace(0, len(user_H) - 1, histories).long()]
        first_Q = torch.maximum(start_U[user_Q], stop_U[user_Q] - self.longest)
        past = take_windows(events, user_Q, first_Q, stop_U[user_Q], self.longest)
        return self._own_scores(past, events.n_items)

    def prior_scores(self, past: Windows, n_items: int, hidden: Windows | None = None) -> Tensor:
        """What priors and terms say, ``[P + 2, Q, N]``; items that no row holds get what they may borrow."""
        self._count()
        score_PQN = self._own_scores(past, n_items, hidden)
        return score_PQN if self.borrowing is None else self.borrowing(score_PQN)

    def _own_scores(self, past: Windows, n_items: int, hidden: Windows | None = None) -> Tensor:
        """The same without what is borrowed; items that came after the count get nothing."""
        scores = [*(prior(past, hidden) for prior in self._priors().values()), *self.occurrence(past, hidden)]
        # A negative padding leaves out items that only stand for something, as for what a user has said.
        return torch.stack([functional.pad(score_QN, (0, n_items - score_QN.shape[1])) for score_QN in scores])

    def gates(self, view: str, past: Windows) -> Tensor:
        """Gates and weights of a view for each history ``[Q, 3 + P]``, in the order of :meth:`names`."""
        gate_QG = self.gates_of(self.parameters_of(view), self.shortness(past))
        if self.part == NO_PRIORS:
            return torch.cat([torch.ones_like(gate_QG[:, :1]), torch.zeros_like(gate_QG[:, 1:])], dim=1)
        return gate_QG

    def shortness(self, past: Windows) -> Tensor:
        """Where each history stands between the ends ``[Q]``: 1 for an empty one, 0 from the usual length on."""
        return (1 - past.length_B.float().log1p() / self.usual.log1p()).clamp(0, 1)

    def parameters_of(self, view: str) -> Tensor:
        """Logarithms of gates, and weights, of a view at both ends ``[2, 3 + P]``, for the part asked for."""
        place = int(self.part == PRIORS_ONLY), self.views.index(view)
        # Counts are told apart in full precision, whichever the network has.
        return torch.stack([value_2VE[place].float() for value_2VE in self._values()], dim=1)

    @torch.no_grad()
    def set_parameters(self, view: str, value_EG: Tensor) -> None:
        """Give a view other gates and weights, as :meth:`parameters_of` reads them."""
        place = int(self.part == PRIORS_ONLY), self.views.index(view)
        for value_2VE, value_E in zip(self._values(), value_EG.unbind(1), strict=True):
            value_2VE[place] = value_E

    def gates_of(self, value_EG: Tensor, short_Q: Tensor) -> Tensor:
        """Gates and weights ``[Q, 3 + P]`` that some parameters give to histories of some shortness."""
        value_QG = torch.lerp(value_EG[LONG], value_EG[SHORT], short_Q.unsqueeze(1))
        gate_QG, weight_QT = value_QG[:, : -len(TERMS)].exp(), value_QG[:, -len(TERMS) :]
        network_Q1 = torch.zeros_like(gate_QG[:, :1]) if self.part == PRIORS_ONLY else gate_QG[:, :1]
        return torch.cat([network_Q1, gate_QG[:, 1:], weight_QT], dim=1)

    @contextmanager
    def scoring(self, part: str) -> Iterator[None]:
        """Ask for a part of the scores for a while."""
        before, self.part = self.part, part
        try:
            yield
        finally:
            self.part = before

    def forward(self, network_QN: Tensor, prior_PQN: Tensor, gate_QG: Tensor) -> Tensor:
        """Scores ``[Q, N]`` of the mixture."""
        network_Q1, *gates = gate_QG.split(1, dim=1)
        mixed_QN = network_Q1 * network_QN
        for gate_Q1, prior_QN in zip(gates, prior_PQN.unbind(0), strict=True):
            mixed_QN = torch.addcmul(mixed_QN, gate_Q1, prior_QN)
        return mixed_QN

    def shares(self, network_QN: Tensor, prior_PQN: Tensor, gate_QG: Tensor) -> dict[str, Tensor]:
        """What each part adds to the scores, ``[Q, N]`` by name."""
        parts_GQN = torch.cat([network_QN.unsqueeze(0), prior_PQN]) * gate_QG.T.unsqueeze(2)
        return dict(zip(self.names(), parts_GQN.unbind(0), strict=True))

    def _longest(self, events: Events) -> int:
        """Rows of the longest history that priors read."""
        if self.of_facts:
            return 1
        count_U = events.start_UP[:, -1] - events.start_UP[:, 0]
        return min(LONGEST, max(1, int(count_U.max()) if len(count_U) else 1))

    def _priors(self) -> dict[str, Prior]:
        return dict(self.priors.items())  # type: ignore[arg-type]

    def _values(self) -> list[Tensor]:
        # By name: a ParameterDict sorts its keys.
        gates = [self.gate_2VE[name] for name in (NETWORK, *self.priors)]
        return [*gates, *(self.weight_2VE[name] for name in TERMS)]


def _usual(events: Events) -> float:
    """Training rows that all users but a few have, of those who have any."""
    count_U = (events.start_UP[:, Phase.TRAIN + 1] - events.start_UP[:, Phase.TRAIN]).float()
    known_U = count_U[count_U > 0]
    # Taken from a sorted list: torch.quantile has a limit of 16 million numbers.
    place = int(_SHORTER * len(known_U))
    return max(1.0, float(known_U.sort().values[place])) if len(known_U) else 1.0
