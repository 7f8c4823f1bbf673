"""The popularity bias: what counting knows, with a learned weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from polyscene.data.events import Events
from polyscene.data.phases import Phase

_SECONDS_PER_DAY = 86_400.0

# Of what a few rows say about popularity, see :func:`imagined_rows`.
_PRIOR_PAIRS, _PRIOR_TIMES, _LEAST_TIMES_ABOVE_ONE = 2.0, 10.0, 0.1

# Which of R rows are counted: ``keep(events, row_R) -> bool [R]``.
Keep = Callable[[Events, Tensor], Tensor]


class PopularityBias(nn.Module):
    """``w * (log share of item i - mean over seen items)``, with one learned weight w that starts at 1.

    The shares are statistics, not parameters: they are counted on training rows, and :meth:`observe` counts again
    when more rows are known (validation rows at the time of the test, the latest rows at serving).

    An item that no row holds has no share to tell: a count of zero would rank it below everything that was ever
    seen once. It has a learned bias instead, which starts at that of a middling item and is trained with the items
    that content dropout makes new for a step. Where a scenario has a few labels only, that is nearly every item,
    and what is right is mostly among them: there they have the smallest share, see :func:`imagined_rows`.

    Args:
        events: the scenario's events.
        half_life_days: if positive, a row counts half as much for each such span before the last row.
        keep: which rows count; all if ``None``.
        enabled: False gives a bias of 0 for every item.
    """

    share_N: Tensor
    log_share_N: Tensor
    log_share_of_none: Tensor
    unseen_N: Tensor

    def __init__(
        self,
        events: Events,
        *,
        half_life_days: float = 0.0,
        keep: Keep | None = None,
        enabled: bool = True,
    ) -> None:
        super().__init__()
        self.half_life_days, self.keep, self.enabled = half_life_days, keep, enabled
        self.weight = nn.Parameter(torch.ones(()), requires_grad=enabled)
        self.unseen = nn.Parameter(torch.zeros(()), requires_grad=enabled)
        self.register_buffer("share_N", torch.empty(0), persistent=False)
        self.observe(events, [Phase.TRAIN])

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        """Count the rows of the given phases instead of those counted before."""
        known, device = list(phases), self.weight.device
        self.few = events.labelled_R is not None
        count_N = item_count(events, known, half_life_days=self.half_life_days, keep=self.keep)
        imagined = imagined_rows(count_N) if self.few else 1.0
        share_N = _smoothed(count_N, imagined)
        log_share_N = share_N.log()
        self.share_N = share_N.to(device)
        held_N = held_items(events, known)
        # Centered on what was seen, so that it makes no difference to the others how many new items there are.
        center = log_share_N[held_N].mean() if bool(held_N.any()) else log_share_N.mean()
        self.register_buffer("log_share_N", (log_share_N - center).to(device), persistent=False)
        self.register_buffer("unseen_N", ~held_N.to(device), persistent=False)
        smallest = math.log(imagined / float(count_N.sum() + imagined * len(count_N))) - center
        self.register_buffer("log_share_of_none", smallest.to(device), persistent=False)

    def forward(self, items: Tensor, hidden_N: Tensor | None = None) -> Tensor:
        """Bias ``[...]`` of items (int64 ``[...]``); those ``hidden_N`` (bool) are taken for unseen ones."""
        return self.all(hidden_N)[items]

    def all(self, hidden_N: Tensor | None = None) -> Tensor:
        """Bias ``[N]`` of every item."""
        if not self.enabled:
            return torch.zeros_like(self.log_share_N)
        new_N = self.unseen_N if hidden_N is None else self.unseen_N | hidden_N
        # A shot is among the few rows that were counted, so its loss would only ask to believe counts more.
        weight = self.weight.detach() if self.few else self.weight
        unseen = weight * self.log_share_of_none if self.few else self.unseen
        return torch.where(new_N, unseen, weight * self.log_share_N)


def held_items(events: Events, phases: Iterable[Phase]) -> Tensor:
    """bool ``[N]``: the items that the rows of some phases hold."""
    _, row = events.rows(phases)
    row_R = torch.from_numpy(row).to(events.item_R.device)
    held_N = torch.zeros(events.n_items, dtype=torch.bool, device=events.item_R.device)
    held_N[events.item_R[row_R].long()] = True
    return held_N


def item_share(
    events: Events, phases: Iterable[Phase], *, half_life_days: float = 0.0, keep: Keep | None = None
) -> Tensor:
    """Smoothed share ``[N]`` of each item in the rows of some phases; sums to 1."""
    # One imagined row for each item keeps the log finite for items that no row holds.
    return _smoothed(item_count(events, phases, half_life_days=half_life_days, keep=keep), 1.0)


def item_count(
    events: Events, phases: Iterable[Phase], *, half_life_days: float = 0.0, keep: Keep | None = None
) -> Tensor:
    """Rows ``[N]`` of each item in some phases, float64; each counts by its age, see :class:`PopularityBias`."""
    _, row = events.rows(phases)
    row_R = torch.from_numpy(row).to(events.item_R.device)
    if keep is not None:
        row_R = row_R[keep(events, row_R)]
    weight_R = torch.ones(len(row_R), dtype=torch.float64, device=row_R.device)
    if half_life_days > 0 and len(row_R):
        time_R = events.time_R[row_R]
        weight_R = 0.5 ** ((time_R.max() - time_R).double() / (_SECONDS_PER_DAY * half_life_days))
    count_N = torch.zeros(events.n_items, dtype=torch.float64, device=row_R.device)
    return count_N.index_add_(0, events.item_R[row_R].long(), weight_R)


def imagined_rows(count_N: Tensor) -> float:
    """How many rows to imagine for each item beside the few that were counted.

    The item of a random row is r times as popular as a random item, and r is also how much more often two random
    rows hold the same item than if all were equally popular. So the pairs of rows with the same item tell r, where
    there are enough rows for pairs; with too few, r is close to 10, by a prior worth two such pairs. Shares that
    are drawn from a symmetric Dirichlet distribution with parameter a have ``r = 1 + 1 / a``, and their posterior
    mean imagines a rows for each item: an item seen once is then r times one that was never seen.

    Args:
        count_N: rows of each item, ``[N]``.
    """
    rows = float(count_N.sum())
    same = float((count_N * (count_N - 1).clamp(min=0)).sum())
    by_chance = max(rows * (rows - 1), 0.0) / len(count_N)
    times = (same + _PRIOR_PAIRS) / (by_chance + _PRIOR_PAIRS / _PRIOR_TIMES)
    return 1 / max(times - 1, _LEAST_TIMES_ABOVE_ONE)


def _smoothed(count_N: Tensor, imagined: float) -> Tensor:
    return ((count_N + imagined) / (count_N + imagined).sum()).float()
