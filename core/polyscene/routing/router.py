"""The router contract: how likely each scenario is for a row whose label nobody gave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import Routing
from polyscene.errors import ConfigError

Route = Literal["label", "hard", "soft", "router"]
"""How a state finds its adapter: by its label, by the scenario that the router finds likeliest (hard), as a mixture
by the router's probabilities (soft), or by whichever of the two the router's config says (router)."""

LABEL: Route = "label"
RECOGNITION = "recognition of scenarios"
"""Names the router's cross-entropy among losses; with its spaces it is no name of a task or scenario."""


class Router(nn.Module, ABC):
    """Recognizes scenarios: ``forward(h_Nd) -> logits [N, K]``.

    Reads states *before* the adapter bank, the only features that every scenario has: not all have texts or users,
    but the shared model gives each row a state of width d, be it of a history or of a query. No adapter of states
    has touched them, so that the question does not contain its answer. They are not free of the scenario
    altogether: its own encoders and its item adapter made the vectors of the items in a history, since a catalogue
    belongs to a scenario by nature. That makes scenarios easier to tell apart than by their texts alone.

    A scenario that training never drew from is never recognized.

    Args:
        config: the router's options, with ``mode``, ``weight`` and ``detach``.
        d_model: width d.
        n_scenarios: number of scenarios K.
    """

    def __init__(self, config: Any, d_model: int, n_scenarios: int) -> None:
        super().__init__()
        self.config, self.d_model, self.n_scenarios = config, d_model, n_scenarios
        self.register_buffer("seen_K", torch.zeros(n_scenarios, dtype=torch.bool))
        self.seen_K: Tensor

    @abstractmethod
    def forward(self, h_Nd: Tensor) -> Tensor:
        """Logits ``[N, K]``: ``p(k | row) = softmax``, the prior being the same for all scenarios."""

    @abstractmethod
    def add_scenarios(self, count: int) -> None:
        """Add parameters for ``count`` scenarios; logits of the others stay bit-equal."""

    def grow(self, count: int = 1) -> None:
        """Add scenarios, not recognized until they are trained; what is said of the others stays bit-equal."""
        self.add_scenarios(count)
        self.seen_K = torch.cat([self.seen_K, self.seen_K.new_zeros(count)])
        self.n_scenarios += count

    def loss(self, h: Tensor, scenario: int) -> Tensor:
        """Weighted cross-entropy ``[...]`` of states ``[..., d]`` that belong to one scenario.

        With ``detach`` nothing but the router learns from it.
        """
        if self.training:
            self.seen_K[scenario] = True
        h_Nd = (h.detach() if self.config.detach else h).flatten(0, -2)
        # Not functional.cross_entropy, which wants a tensor of labels where here one column is enough.
        log_p_NK = self(h_Nd).float().log_softmax(dim=-1)
        return -self.config.weight * log_p_NK[:, scenario].view(h.shape[:-1])

    def probabilities(self, h_Nd: Tensor) -> Tensor:
        """``p(k | row)`` as ``[N, K]``, 0 for scenarios that were never seen (uniform before any was)."""
        never_K = ~self.seen_K & self.seen_K.any()
        return self(h_Nd).float().masked_fill(never_K, -torch.inf).softmax(dim=-1)

    def routing(self, h_Nd: Tensor, route: Route, personal_Nd: Tensor | None = None) -> Routing:
        """The adapters of rows without a label: one for each row (hard), or a mixture (soft)."""
        if (self.config.mode if route == "router" else route) == "hard":
            return Routing(index_N=self.probabilities(h_Nd).argmax(dim=-1), personal_Nd=personal_Nd)
        return Routing(weights_NK=self.probabilities(h_Nd).to(h_Nd.dtype), personal_Nd=personal_Nd)


def no_router(config: Any, d_model: int, n_scenarios: int) -> None:
    """Rows without a label cannot be served."""


def check_route(route: Route, router: Router | None, *, where: str) -> None:
    """Raise :class:`ConfigError` where rows without a label are asked for and nothing can recognize them."""
    if route != LABEL and router is None:
        raise ConfigError(
            f"route={route} needs a router, and the model was trained without one",
            where=where,
            fix="use route=label, or train with router=recognition",
        )


def check_worth_routing(router: str, models: Iterable[Sequence[str]]) -> None:
    """Raise :class:`ConfigError` where a router is chosen and no model has two scenarios to tell apart.

    Args:
        router: the name of the chosen router.
        models: the scenarios of each model that will be trained.
    """
    largest = max(models, key=len, default=())
    if router != "none" and len(largest) < 2:
        raise ConfigError(
            f"router={router} tells scenarios apart, but no model of this run learns more than one"
            + (f" ({largest[0]})" if largest else ""),
            where="router",
            fix="train two or more scenarios jointly, or use router=none",
        )
