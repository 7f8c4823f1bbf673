"""What the recommended lists are like, whatever their accuracy."""

from __future__ import annotations

import torch
from torch import Tensor


def recommendation_counts(top_BK: Tensor, n_items: int) -> Tensor:
    """Int64 ``[N]``: in how many lists each item stands; places of -1 (short lists) do not count."""
    return torch.bincount(top_BK[top_BK >= 0], minlength=n_items)


def catalogue_coverage(top_BK: Tensor, n_items: int) -> float:
    """Share of the N items that stand in at least one list."""
    return (recommendation_counts(top_BK, n_items) > 0).double().mean().item()


def gini(top_BK: Tensor, n_items: int) -> float:
    """Gini index of how often items are recommended: 0 all equally often, 1 - 1/N one item only; NaN if none.

    With counts c_(1) <= ... <= c_(N): sum_i (2i - N - 1) c_(i) / (N sum_i c_(i)).
    """
    count_N = recommendation_counts(top_BK, n_items).sort().values.double()
    place_N = torch.arange(1, n_items + 1, dtype=torch.float64, device=count_N.device)
    return (((2 * place_N - n_items - 1) * count_N).sum() / (n_items * count_N.sum())).item()


def novelty(top_BK: Tensor, popularity_N: Tensor, n_users: int) -> Tensor:
    """Float64 ``[B]``: mean self-information -log2(share of users who know the item) of each list, in bits.

    Zhou et al. (2010), "Solving the apparent diversity-accuracy dilemma". One imagined user knows every item, so
    that an item nobody knows has a finite value.

    Args:
        top_BK: recommended items, -1 where a list is short; an empty list has the value NaN.
        popularity_N: number of users per item in the training rows.
        n_users: number of users in the training rows.
    """
    information_N = -torch.log2((popularity_N.double() + 1) / (n_users + 1))
    return _mean_of_lists(top_BK, information_N)


def popularity_bias(top_BK: Tensor, popularity_N: Tensor) -> Tensor:
    """Float64 ``[B]``: mean popularity percentile of each list; 0.5 is unbiased, 1 the most popular items only.

    An item's percentile is the share of items less popular than it, plus half the share of those equally popular.
    """
    sorted_N = popularity_N.double().sort().values
    lower_N = torch.searchsorted(sorted_N, popularity_N.double())
    upper_N = torch.searchsorted(sorted_N, popularity_N.double(), right=True)
    return _mean_of_lists(top_BK, (lower_N + upper_N).double() / (2 * len(popularity_N)))


def _mean_of_lists(top_BK: Tensor, value_N: Tensor) -> Tensor:
    shown_BK = top_BK >= 0
    value_BK = torch.where(shown_BK, value_N[top_BK.clamp(min=0)], 0.0)
    return value_BK.sum(dim=1) / shown_BK.sum(dim=1)
