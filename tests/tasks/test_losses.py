"""Ranking losses by hand, from scores alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from polyscene.tasks.losses import BprLoss, SoftmaxLoss
from tests.tasks.small import make_windows

SCORES = torch.tensor([[[0.5, -1.0, 2.0], [1.0, 1.0, 1.0]]])
WINDOWS = make_windows([[2, 0]])
POSITIVE = torch.tensor([[2.0, 1.0]])


def test_full_softmax_is_the_negative_log_likelihood() -> None:
    loss = SoftmaxLoss(None)(POSITIVE, SCORES, WINDOWS, includes_positive=True)
    exp = np.exp(SCORES.numpy())
    expected = -np.log([[exp[0, 0, 2] / exp[0, 0].sum(), 1 / 3]])
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-6)


def test_sampled_softmax_adds_the_positive_to_the_candidates() -> None:
    candidates = torch.tensor([[[0.0, -math.inf], [-math.inf, -math.inf]]])
    loss = SoftmaxLoss(None)(POSITIVE, candidates, WINDOWS, includes_positive=False)
    # A step all of whose candidates are left out costs nothing.
    np.testing.assert_allclose(loss.numpy(), [[math.log(1 + math.exp(-2.0)), 0.0]], rtol=1e-6, atol=1e-7)


def test_softmax_gradients_are_finite_where_no_candidate_counts() -> None:
    positive = POSITIVE.clone().requires_grad_()
    candidates = torch.full((1, 2, 2), -math.inf)
    SoftmaxLoss(None)(positive, candidates, WINDOWS, includes_positive=False).sum().backward()
    assert positive.grad is not None
    assert torch.isfinite(positive.grad).all()


def test_full_softmax_of_padding_that_points_at_a_masked_item_is_nothing() -> None:
    scores = SCORES.clone()
    scores[..., 0] = -math.inf
    padded = replace(WINDOWS, valid_BT=torch.tensor([[True, False]]))
    loss = SoftmaxLoss(None)(POSITIVE, scores.requires_grad_(), padded, includes_positive=True)
    assert loss[0, 1] == 0
    (loss**2).sum().backward()
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


def test_bpr_is_the_mean_over_pairs_that_count() -> None:
    candidates = torch.tensor([[[0.0, 3.0, -math.inf], [-math.inf, -math.inf, -math.inf]]])
    loss = BprLoss(None)(POSITIVE, candidates, WINDOWS, includes_positive=False)
    expected = (math.log1p(math.exp(-2.0)) + math.log1p(math.exp(1.0))) / 2
    np.testing.assert_allclose(loss.numpy(), [[expected, 0.0]], rtol=1e-6)


def test_bpr_does_not_count_the_positive_against_itself() -> None:
    """With the whole catalogue the positive is among the candidates; as a pair it would add log 2."""
    loss = BprLoss(None)(POSITIVE, SCORES, WINDOWS, includes_positive=True)
    others = [math.log1p(math.exp(score - 2.0)) for score in (0.5, -1.0)]
    np.testing.assert_allclose(loss.numpy()[0, 0], sum(others) / 2, rtol=1e-6)


@pytest.mark.parametrize("loss", [SoftmaxLoss(None), BprLoss(None)], ids=["softmax", "bpr"])
def test_a_higher_positive_costs_less(loss: torch.nn.Module) -> None:
    candidates = torch.zeros(1, 2, 3)
    costs = [
        loss(torch.full((1, 2), score), candidates, WINDOWS, includes_positive=False)[0, 0].item()
        for score in (-1.0, 0.0, 1.0, 5.0)
    ]
    assert costs == sorted(costs, reverse=True)
