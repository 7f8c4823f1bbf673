"""How good decisions are: rows that were taken for positives, against what they were."""

from __future__ import annotations

from torch import Tensor


def decision_figures(taken_R: Tensor, label_R: Tensor) -> dict[str, float]:
    """Precision, recall and F1 of positives, and balanced accuracy, of bool decisions; NaN where nothing counts.

    Precision is 0 where no row is taken. Hand-written because torchmetrics answers 0 where a class is missing.
    """
    taken_R, label_R = taken_R.bool(), label_R.bool()
    positives, negatives, taken = (int(one.sum()) for one in (label_R, ~label_R, taken_R))
    found, spared = int((taken_R & label_R).sum()), int((~taken_R & ~label_R).sum())
    missing = float("nan")
    return {
        "precision": found / max(taken, 1) if positives else missing,
        "recall": found / positives if positives else missing,
        "f1": 2 * found / (taken + positives) if positives else missing,
        "balanced_accuracy": (found / positives + spared / negatives) / 2 if positives and negatives else missing,
    }
