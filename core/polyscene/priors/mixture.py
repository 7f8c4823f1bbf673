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
from polyscene.data.windows import Windows
from polyscene.priors.prior import Prior, PriorData

NETWORK = "network"
"""The first gate is the network's."""
NO_PRIORS, PRIORS_ONLY = PARTS
# Rows of a history beyond these say little that the others do not; memory of a request grows with them.
LONGEST = 2_000


class PriorMixture(nn.Module):
    """``s(u, i) = g_0 s_network(u, i) + sum_p g_p s_p(u, i)`` with ``g = softplus(a + b log((1 + n) / (1 + m)))``.

    n is the length of the user's history and m that of a middling one, so a gate may open or close as more is
    known; b starts at zero. Each view of the scenario has gates of its own: what counts for things that are bought
    again is of no use for new ones.

    The network learns without priors and the gates are fitted afterwards (:mod:`polyscene.training.settling`).
    Learning both at once came out worse: the network then learns what counting does not know of rows that it sees
    again and again.

    Args:
        priors: by name; at least one.
        events: the scenario's rows, on the device.
        views: names of the scenario's views.

    Attributes:
        part: which part of the scores is asked for: empty for all, ``no_priors`` for the network alone,
            ``priors_only`` for the priors with gates of their own.
    """

    part: str = ""

    def __init__(self, priors: Mapping[str, Prior], events: Events, views: Sequence[str]) -> None:
        super().__init__()
        self.priors = nn.ModuleDict(priors)
        self.views, self.events = list(views), events
        # For each part: with the network, and without it, in every view. Kept by name, so that a new scenario can
        # start from the gates that others have for the same thing.
        first = {NETWORK: 1.0, **{name: prior.config.first_gate for name, prior in priors.items()}}
        shape = (2, len(self.views))
        self.gate_2V = nn.ParameterDict({name: torch.full(shape, _opened(gate)) for name, gate in first.items()})
        self.slope_2V = nn.ParameterDict({name: torch.zeros(shape) for name in first})
        count_U = events.start_UP[:, Phase.TRAIN + 1] - events.start_UP[:, Phase.TRAIN]
        self.register_buffer("middling", count_U.float().median().clamp(min=1), persistent=False)
        self.middling: Tensor
        self.longest = LONGEST
        self._known: tuple[int, frozenset[Phase]] | None = None
        self.observe(events, [Phase.TRAIN])

    def names(self) -> list[str]:
        """Names of the gates: the network's, then the priors'."""
        return [NETWORK, *self.priors]

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        """Count the rows of some phases; counting the same again is free."""
        known = frozenset(phases)
        # Events are never changed in place, and those of one count are kept, so that no other has their id.
        if self._known == (id(events), known):
            return
        for prior in self._priors().values():
            prior.observe(events, known)
        self._known, self._counted = (id(events), known), events
        count_U = events.start_UP[:, -1] - events.start_UP[:, 0]
        self.longest = min(LONGEST, max(1, int(count_U.max()) if len(count_U) else 1))

    def receive(self, data: PriorData) -> None:
        """Serve items and users that came after training."""
        for prior in self._priors().values():
            prior.receive(data)

    def prior_scores(self, past: Windows, n_items: int, hidden: Windows | None = None) -> Tensor:
        """What each prior says, ``[P, Q, N]``; items that came after the count get nothing from counts."""
        scores = [prior(past, hidden) for prior in self._priors().values()]
        # A negative padding leaves out items that only stand for something, as for what a user has said.
        return torch.stack([functional.pad(score_QN, (0, n_items - score_QN.shape[1])) for score_QN in scores])

    def gates(self, past: Windows, view: str) -> Tensor:
        """The gates ``[Q, 1 + P]`` for Q histories, the network's first."""
        gate_QG = self.gates_with(*self.parameters_of(view), past.length_B)
        if self.part == NO_PRIORS:
            return torch.cat([torch.ones_like(gate_QG[:, :1]), torch.zeros_like(gate_QG[:, 1:])], dim=1)
        return gate_QG

    def parameters_of(self, view: str) -> tuple[Tensor, Tensor]:
        """``a`` and ``b`` of the gates of a view ``[1 + P]``, for the part that is asked for."""
        place = int(self.part == PRIORS_ONLY), self.views.index(view)
        gate_G = torch.stack([self.gate_2V[name][place] for name in self.names()])
        return gate_G, torch.stack([self.slope_2V[name][place] for name in self.names()])

    @torch.no_grad()
    def set_parameters(self, view: str, gate_G: Tensor, slope_G: Tensor) -> None:
        """Give a view other gates, as :meth:`parameters_of` reads them."""
        place = int(self.part == PRIORS_ONLY), self.views.index(view)
        for number, name in enumerate(self.names()):
            self.gate_2V[name][place] = gate_G[number]
            self.slope_2V[name][place] = slope_G[number]

    def gates_with(self, gate_G: Tensor, slope_G: Tensor, length_Q: Tensor) -> Tensor:
        """The gates that some parameters give to histories of so many rows."""
        known_Q1 = torch.log((1 + length_Q.float()) / (1 + self.middling)).unsqueeze(1)
        gate_QG = functional.softplus(gate_G + slope_G * known_Q1)
        if self.part != PRIORS_ONLY:
            return gate_QG
        return torch.cat([torch.zeros_like(gate_QG[:, :1]), gate_QG[:, 1:]], dim=1)

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
        mixed_QN = gate_QG[:, :1] * network_QN
        for place, prior_QN in enumerate(prior_PQN.unbind(0), start=1):
            mixed_QN = torch.addcmul(mixed_QN, gate_QG[:, place : place + 1], prior_QN)
        return mixed_QN

    def shares(self, network_QN: Tensor, prior_PQN: Tensor, gate_QG: Tensor) -> dict[str, Tensor]:
        """What each part adds to the scores, ``[Q, N]`` by name."""
        parts_GQN = torch.cat([network_QN.unsqueeze(0), prior_PQN]) * gate_QG.T.unsqueeze(2)
        return dict(zip(self.names(), parts_GQN.unbind(0), strict=True))

    def _priors(self) -> dict[str, Prior]:
        return dict(self.priors.items())  # type: ignore[arg-type]


def _opened(gate: float) -> float:
    """``a`` with ``softplus(a)`` the gate; one that starts closed must still be able to open."""
    return math.log(math.expm1(max(gate, 1e-2)))
