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
"""How a state finds its adapter: by its label, by the scenario that the router finds likeliest (hard), as a
mixture by the router's probabilities (soft), or by whichever of the two the router's config says (router)."""

LABEL: Route = "label"
NO_ROUTER = "none"
RECOGNITION = "recognition of scenarios"
"""Names the router's cross-entropy among losses; with its spaces it is no name of a task or scenario."""


class Router(nn.Module, ABC):
    """Recognizes scenarios: ``forward(x_Nd) -> logits [N, K]``.

    A row is described by the mean of the vectors of the items in its past (of a task without histories, by its
    query). That is all that every scenario has: not all have texts, and not all know anything about users. It is
    also free of every adapter, as vectors are taken before the item bank; the sequence model's state is not, since
    it reads adapted items, and would contain the answer to the question. What is left of the scenario is its
    encoders: a catalogue belongs to a scenario by nature. Domains of one scenario share those as well, and are
    recognized by what people chose alone.

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
    def forward(self, x_Nd: Tensor) -> Tensor:
        """Logits ``[N, K]`` of rows ``[N, d]``; the prior is the same for all scenarios."""

    @abstractmethod
    def add_scenarios(self, count: int) -> None:
        """Add parameters for ``count`` scenarios; logits of the others stay bit-equal."""

    @abstractmethod
    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters whose first dimension is the scenario, by name."""

    def grow(self, count: int = 1) -> None:
        """Add scenarios, not recognized until they are trained; what is said of the others stays bit-equal."""
        self.add_scenarios(count)
        self.seen_K = torch.cat([self.seen_K, self.seen_K.new_zeros(count)])
        self.n_scenarios += count

    def loss(self, x: Tensor, scenario: int) -> Tensor:
        """Weighted cross-entropy ``[...]`` of rows ``[..., d]`` that belong to one scenario.

        With ``detach`` nothing but the router learns from it.
        """
        if self.training:
            self.seen_K.select(0, scenario).fill_(1)  # by an index, the device would wait for the host's True
        x_Nd = (x.detach() if self.config.detach else x).flatten(0, -2)
        # Not functional.cross_entropy, which wants a tensor of labels where here one column is enough.
        log_p_NK = self(x_Nd).float().log_softmax(dim=-1)
        return -self.config.weight * log_p_NK[:, scenario].view(x.shape[:-1])

    def probabilities(self, x_Nd: Tensor) -> Tensor:
        """``p(k | row)`` as ``[N, K]``, 0 for scenarios that were never seen (uniform before any was)."""
        never_K = ~self.seen_K & self.seen_K.any()
        logit_NK = self(x_Nd).float().masked_fill(never_K, -torch.inf)
        share_NK = (logit_NK - logit_NK.amax(dim=-1, keepdim=True)).exp()
        # Added up one after the other: sums of blocks, as of softmax, round otherwise when a scenario is added.
        return share_NK / share_NK.cumsum(dim=-1)[:, -1:]

    def routing(self, p_NK: Tensor, route: Route) -> Routing:
        """The adapters of rows with these probabilities: one for each row (hard), or a mixture (soft)."""
        if (self.config.mode if route == "router" else route) == "hard":
            return Routing(index_N=p_NK.argmax(dim=-1))
        return Routing(weights_NK=p_NK)


def taken(routing: Routing, row_M: Tensor) -> Routing:
    """The routing of some rows (int64 ``[M]``, repeats allowed) of those that a router gave one."""
    if routing.weights_NK is not None:
        return Routing(weights_NK=routing.weights_NK[row_M])
    assert routing.index_N is not None
    return Routing(index_N=routing.index_N[row_M])


def mean_so_far(x_BTd: Tensor, valid_BT: Tensor) -> Tensor:
    """Means ``[B, T + 1, d]`` of what came before each step and of all, 0 before the first."""
    sum_BTd = torch.where(valid_BT.unsqueeze(-1), x_BTd, 0.0).cumsum(dim=1)
    mean_BTd = sum_BTd / valid_BT.cumsum(dim=1).clamp(min=1).unsqueeze(-1)
    return nn.functional.pad(mean_BTd, (0, 0, 1, 0))


def no_router(config: Any, d_model: int, n_scenarios: int) -> None:
    """Rows without a label cannot be served."""


def no_router_error(where: str) -> ConfigError:
    """What is wrong where rows without a label are asked for and nothing can recognize them."""
    return ConfigError(
        "nothing was trained to recognize scenarios, so each row needs its label",
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
    if router != NO_ROUTER and len(largest) < 2:
        raise ConfigError(
            f"router={router} tells scenarios apart, but no model of this run learns more than one"
            + (f" ({largest[0]})" if largest else ""),
            where="router",
            fix="train two or more scenarios jointly, or use router=none",
        )
