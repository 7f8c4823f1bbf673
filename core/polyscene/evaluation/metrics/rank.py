"""Ranking metrics per user from the ranks of targets; a user without targets gets NaN, never 0 or 1.

Definitions as in Järvelin and Kekäläinen (2002) for NDCG with binary gains, and Manning, Raghavan and Schütze,
Introduction to Information Retrieval (2008), chapter 8, for the others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from polyscene.evaluation.ranking import Ranking


def ndcg(ranking: Ranking, k: int) -> Tensor:
    """Float64 ``[B]``: sum of 1 / log2(rank + 1) over hits in the first k, over its largest possible value."""
    gain_M = torch.where(ranking.rank_M <= k, 1 / torch.log2(ranking.rank_M.double() + 1), 0.0)
    place_K = torch.arange(1, k + 1, device=gain_M.device, dtype=torch.float64)
    ideal_K1 = torch.nn.functional.pad((1 / torch.log2(place_K + 1)).cumsum(0), (1, 0))
    return _sum_rows(ranking, gain_M) / _or_nan(ranking, ideal_K1[ranking.targets_per_row.clamp(max=k)])


def recall(ranking: Ranking, k: int) -> Tensor:
    """Float64 ``[B]``: targets among the first k, divided by the number of targets."""
    return _sum_rows(ranking, ranking.rank_M <= k) / _or_nan(ranking, ranking.targets_per_row)


def hit(ranking: Ranking, k: int) -> Tensor:
    """Float64 ``[B]``: 1 if any target is among the first k, else 0."""
    found_B = _sum_rows(ranking, ranking.rank_M <= k).clamp(max=1)
    return found_B / _or_nan(ranking, torch.ones_like(found_B))


def reciprocal_rank(ranking: Ranking) -> Tensor:
    """Float64 ``[B]``: 1 / rank of the best target; its mean over users is MRR."""
    best_B = torch.zeros(ranking.n_rows, dtype=torch.float64, device=ranking.rank_M.device)
    best_B.scatter_reduce_(0, ranking.row_M, 1 / ranking.rank_M.double(), reduce="amax")
    return best_B / _or_nan(ranking, torch.ones_like(best_B))


def average_precision(ranking: Ranking, k: int | None = None) -> Tensor:
    """Float64 ``[B]``: precision at each target found in the first k, summed and divided by min(targets, k).

    Its mean over users is MAP@k; with ``k=None`` the whole list counts.
    """
    order_M = torch.argsort(ranking.rank_M, stable=True)
    order_M = order_M[torch.argsort(ranking.row_M[order_M], stable=True)]
    row_M, rank_M = ranking.row_M[order_M], ranking.rank_M[order_M]
    first_B = ranking.targets_per_row.cumsum(0) - ranking.targets_per_row
    found_M = torch.arange(1, len(row_M) + 1, device=row_M.device) - first_B[row_M]
    precision_M = found_M.double() / rank_M
    targets_B = ranking.targets_per_row
    if k is not None:
        precision_M = torch.where(rank_M <= k, precision_M, 0.0)
        targets_B = targets_B.clamp(max=k)
    sum_B = torch.zeros(ranking.n_rows, dtype=torch.float64, device=row_M.device)
    return sum_B.index_add_(0, row_M, precision_M) / _or_nan(ranking, targets_B)


def _sum_rows(ranking: Ranking, value_M: Tensor) -> Tensor:
    sum_B = torch.zeros(ranking.n_rows, dtype=torch.float64, device=value_M.device)
    return sum_B.index_add_(0, ranking.row_M, value_M.double())


def _or_nan(ranking: Ranking, divisor_B: Tensor) -> Tensor:
    return torch.where(ranking.targets_per_row > 0, divisor_B.double(), torch.nan)
