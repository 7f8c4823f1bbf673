"""Decisions at a cutoff against torchmetrics, and what users alone tell."""

from __future__ import annotations

import math

import pytest
import torch
from torchmetrics.functional.classification import (
    binary_f1_score,
    binary_precision,
    binary_recall,
    multiclass_accuracy,
)

from polyscene.evaluation.clicks import Judged, click_figures
from polyscene.evaluation.metrics import decision_figures, users_with_both


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_torchmetrics_agrees(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    label = torch.rand(200, generator=generator) < share
    taken = torch.rand(200, generator=generator) < 0.4
    found = decision_figures(taken, label)
    expected = {
        "precision": binary_precision(taken.int(), label.int()),
        "recall": binary_recall(taken.int(), label.int()),
        "f1": binary_f1_score(taken.int(), label.int()),
        "balanced_accuracy": multiclass_accuracy(taken.int(), label.int(), num_classes=2, average="macro"),
    }
    assert found == {name: pytest.approx(float(value)) for name, value in expected.items()}


def test_with_one_class_only_what_has_a_meaning_is_given() -> None:
    yes, no = torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.bool)
    assert decision_figures(no, yes)["f1"] == 0.0
    assert decision_figures(no, yes)["precision"] == 0.0
    assert math.isnan(decision_figures(yes, yes)["balanced_accuracy"])
    assert all(math.isnan(value) for value in decision_figures(yes, no).values())


def test_what_knows_users_only_has_no_order_within_them() -> None:
    """Half of one user's rows are liked and nine in ten of another's; the past says so, and only that."""
    label = torch.tensor([True, False] * 10 + [True] * 18 + [False] * 2)
    user = torch.arange(2).repeat_interleave(20)
    share = torch.tensor([0.5, 0.9]).repeat_interleave(20)
    logit = torch.randn(40, generator=torch.Generator().manual_seed(0))
    rate = torch.full((40,), 0.6)
    figures = click_figures(Judged(logit, label, user, torch.arange(40), logit > 0, rate, share), "joint")
    assert figures["history_share"]["auc"] > 0.6
    assert figures["history_share"]["gauc"] == 0.5
    assert figures["item_rate"]["gauc"] == 0.5
    assert set(figures["joint"]) - set(figures["history_share"]) == {
        "precision",
        "recall",
        "f1",
        "balanced_accuracy",
    }


def test_users_with_both_labels() -> None:
    label = torch.tensor([True, False, True, True, False, False])
    user = torch.tensor([7, 7, 3, 3, 9, 9])
    assert users_with_both(label, user).tolist() == [7]
