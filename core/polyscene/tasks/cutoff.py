"""Cutoffs: the score above which a row is best taken for a positive."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Decision = Literal["f1", "balanced_accuracy"]


def best_cutoff(score_R: Tensor, label_R: Tensor, measure: Decision) -> float | None:
    """The score above which rows are best taken for positives; None where there is one class only.

    It lies half way between two neighboring scores. Of equally good cutoffs, the highest is taken.

    Args:
        score_R: scores of the rows on which to choose.
        label_R: bool, what is true.
        measure: what is to be as large as possible.
    """
    score_R, order_R = score_R.double().sort(descending=True)
    label_R = label_R.bool()[order_R]
    positives, negatives = label_R.sum(), (~label_R).sum()
    if not positives or not negatives:
        return None
    taken_R = torch.arange(1, len(score_R) + 1, device=score_R.device)
    found_R = label_R.cumsum(0)
    if measure == "f1":
        value_R = 2 * found_R / (taken_R + positives)
    else:
        value_R = found_R / positives + 1 - (taken_R - found_R) / negatives
    below_R = torch.cat([score_R[1:], score_R[-1:] - 1])
    # Equal scores are taken together or not at all.
    last = int(torch.where(below_R < score_R, value_R, -1.0).argmax())
    return float((score_R[last] + below_R[last]) / 2)
