"""Metrics of click prediction: order (AUC, GAUC) and probabilities (log loss, calibration error)."""

from __future__ import annotations

import torch
from torch import Tensor


def auc(score_R: Tensor, label_R: Tensor) -> float:
    """Area under the ROC curve: the chance that a positive row scores above a negative one, ties worth half.

    NaN with one class only. Hand-written because torchmetrics squashes scores outside 0 and 1 by a sigmoid, which
    makes distinct large scores tie, and answers 0 where a class is missing.
    """
    return grouped_auc(score_R, label_R, torch.zeros_like(label_R, dtype=torch.int64))


def grouped_auc(score_R: Tensor, label_R: Tensor, user_R: Tensor) -> float:
    """GAUC: AUC within each user, averaged with the user's number of rows as weight; NaN if no user counts.

    Users whose rows have one label only order nothing and do not count (Zhou et al., "Deep Interest Network",
    KDD 2018, equation 11).

    Args:
        score_R: scores, higher means more likely clicked.
        label_R: bool or 0/1.
        user_R: int64 user index of each row.
    """
    user_R = torch.unique(user_R, return_inverse=True)[1]
    n_users = int(user_R.max()) + 1 if len(user_R) else 0
    positive_R = label_R.bool()
    order_R = torch.argsort(score_R, stable=True)
    order_R = order_R[torch.argsort(user_R[order_R], stable=True)]
    user_R, score_R, positive_R = user_R[order_R], score_R[order_R], positive_R[order_R]
    rows_U = torch.bincount(user_R, minlength=n_users)
    rank_R = _mean_rank_of_ties(user_R, score_R, rows_U)
    positives_U = torch.bincount(user_R[positive_R], minlength=n_users)
    negatives_U = rows_U - positives_U
    ranks_U = torch.zeros(n_users, dtype=torch.float64, device=score_R.device)
    ranks_U.index_add_(0, user_R[positive_R], rank_R[positive_R])
    pairs_U = positives_U.double() * negatives_U
    # Mann and Whitney's U statistic: rank sum of the positives less its smallest possible value.
    auc_U = (ranks_U - positives_U.double() * (positives_U + 1) / 2) / pairs_U
    weight_U = torch.where(pairs_U > 0, rows_U, 0).double()
    return (torch.nan_to_num(auc_U) * weight_U).sum().div(weight_U.sum()).item()


def users_with_both(label_R: Tensor, user_R: Tensor) -> Tensor:
    """The users, int64 ascending, whose rows have both labels: those that :func:`grouped_auc` counts."""
    user_U, code_R = torch.unique(user_R, return_inverse=True)
    rows_U = torch.bincount(code_R, minlength=len(user_U))
    positives_U = torch.bincount(code_R[label_R.bool()], minlength=len(user_U))
    return user_U[(positives_U > 0) & (positives_U < rows_U)]


def log_loss(probability_R: Tensor, label_R: Tensor) -> float:
    """Mean binary cross-entropy in nats; probabilities are kept 1e-7 away from 0 and 1. NaN without rows."""
    probability_R = probability_R.double().clamp(1e-7, 1 - 1e-7)
    return torch.nn.functional.binary_cross_entropy(probability_R, label_R.double()).item()


def calibration_error(probability_R: Tensor, label_R: Tensor, bins: int = 15) -> float:
    """Expected calibration error: |mean probability - share of positives| per equal-width bin, weighted by rows.

    Guo et al. (2017), "On calibration of modern neural networks". NaN without rows.
    """
    bin_R = (probability_R.double() * bins).long().clamp(0, bins - 1)
    gap_R = probability_R.double() - label_R.double()
    gap_bins = torch.zeros(bins, dtype=torch.float64, device=gap_R.device).index_add_(0, bin_R, gap_R)
    return gap_bins.abs().sum().div(len(gap_R)).item() if len(gap_R) else float("nan")


def _mean_rank_of_ties(user_R: Tensor, score_R: Tensor, rows_U: Tensor) -> Tensor:
    """Rank from 1 (lowest) within the user for rows sorted by user and score; ties share their mean rank."""
    place_R = torch.arange(len(score_R), device=score_R.device)
    new_R = torch.ones_like(score_R, dtype=torch.bool)
    new_R[1:] = (score_R[1:] != score_R[:-1]) | (user_R[1:] != user_R[:-1])
    tie_R = new_R.long().cumsum(0) - 1
    count_T = torch.bincount(tie_R)
    first_T = place_R[new_R] - (rows_U.cumsum(0) - rows_U)[user_R[new_R]]
    return (first_T + (count_T + 1) / 2.0)[tie_R].double()
