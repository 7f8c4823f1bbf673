"""Click, rating and triple metrics: by hand, against slow formulas, against torchmetrics."""

import math

import pytest
import torch
from torchmetrics.functional.classification import binary_auroc, binary_calibration_error
from torchmetrics.functional.regression import mean_absolute_error, mean_squared_error

from polyscene.evaluation.metrics import (
    auc,
    calibration_error,
    filtered_ranks,
    grouped_auc,
    hits_at,
    known_tails,
    log_loss,
    mae,
    mean_reciprocal_rank,
    rmse,
)


def rows(count: int = 200, users: int = 7, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores with many ties, labels, users."""
    generator = torch.Generator().manual_seed(seed)
    score = torch.randint(0, 10, (count,), generator=generator) / 10
    label = torch.rand(count, generator=generator) < 0.2 + 0.6 * score
    return score, label, torch.randint(0, users, (count,), generator=generator)


def slow_auc(score: torch.Tensor, label: torch.Tensor) -> float:
    difference = score[label].unsqueeze(1) - score[~label]
    return ((difference > 0).double() + 0.5 * (difference == 0).double()).mean().item()


def test_auc_counts_ties_as_half() -> None:
    assert auc(torch.tensor([0.9, 0.5, 0.5, 0.1]), torch.tensor([1, 1, 0, 0])) == pytest.approx(3.5 / 4)
    assert auc(torch.zeros(5), torch.tensor([1, 0, 1, 0, 0])) == pytest.approx(0.5)
    score, label, _ = rows()
    assert auc(score, label) == pytest.approx(slow_auc(score, label))
    assert auc(score, label) == pytest.approx(binary_auroc(score, label.long()).item(), abs=1e-6)


def test_auc_without_both_classes_is_nothing_where_torchmetrics_says_zero() -> None:
    score = torch.tensor([0.2, 0.7])
    assert math.isnan(auc(score, torch.tensor([1, 1])))
    with pytest.warns(UserWarning, match="No negative samples"):
        assert binary_auroc(score, torch.tensor([1, 1])) == 0


def test_auc_of_large_logits_is_exact() -> None:
    logits, label = torch.tensor([50.0, 60.0, 70.0, 80.0]), torch.tensor([0, 0, 1, 1])
    assert auc(logits, label) == 1
    assert binary_auroc(logits, label) < 1  # a sigmoid makes them tie


def test_grouped_auc_weighs_users_by_rows_and_leaves_out_one_sided_users() -> None:
    score, label, user = rows()
    label[user == 3] = True
    total, weight = 0.0, 0
    for one in user.unique().tolist():
        mine = user == one
        if label[mine].any() and not label[mine].all():
            total += slow_auc(score[mine], label[mine]) * int(mine.sum())
            weight += int(mine.sum())
    assert weight < len(user)
    assert grouped_auc(score, label, user) == pytest.approx(total / weight)
    assert grouped_auc(score, label, user * 1000) == pytest.approx(total / weight)
    assert math.isnan(grouped_auc(score, torch.ones_like(label), user))
    assert math.isnan(grouped_auc(score[:0], label[:0], user[:0]))


def test_log_loss_by_hand_and_finite_for_certain_mistakes() -> None:
    expected = -(math.log(0.8) + math.log(1 - 0.3)) / 2
    assert log_loss(torch.tensor([0.8, 0.3]), torch.tensor([1, 0])) == pytest.approx(expected)
    assert log_loss(torch.tensor([0.0]), torch.tensor([1])) == pytest.approx(-math.log(1e-7), rel=1e-6)


def test_calibration_error_by_hand_and_as_torchmetrics() -> None:
    probability, label = torch.tensor([0.1, 0.15, 0.9, 0.95]), torch.tensor([0, 1, 1, 1])
    # Two bins: |0.125 - 0.5| and |0.925 - 1|, half of the rows each.
    assert calibration_error(probability, label, bins=2) == pytest.approx((0.375 + 0.075) / 2)
    generator = torch.Generator().manual_seed(1)
    probability = torch.rand(500, generator=generator)
    label = (torch.rand(500, generator=generator) < probability**2).long()
    theirs = binary_calibration_error(probability, label, n_bins=15).item()
    assert calibration_error(probability, label) == pytest.approx(theirs, abs=1e-6)
    assert calibration_error(torch.tensor([1.0, 0.0]), torch.tensor([1, 0])) == 0


def test_rating_errors() -> None:
    predicted, rating = torch.tensor([3.0, 4.0, 1.0]), torch.tensor([4.0, 4.0, 3.0])
    assert rmse(predicted, rating) == pytest.approx(math.sqrt(5 / 3))
    assert mae(predicted, rating) == pytest.approx(1)
    assert rmse(predicted, rating) == pytest.approx(mean_squared_error(predicted, rating, squared=False).item())
    assert mae(predicted, rating) == pytest.approx(mean_absolute_error(predicted, rating).item())


def test_filtered_ranks_leave_out_the_other_true_tails() -> None:
    # Facts: (0, r) -> 1, 2; (3, r) -> 0. Query 0 asks for tail 2 of (0, r): entity 1 is true and goes.
    head, tail = torch.tensor([0, 3, 0]), torch.tensor([1, 0, 2])
    query = torch.tensor([0, 3, 9])
    known = known_tails(head, tail, query)
    assert known.row_M.tolist() == [0, 0, 1]
    assert known.item_M.tolist() == [1, 2, 0]
    scores = torch.tensor([[0.1, 0.9, 0.5, 0.7], [0.4, 0.1, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4]])
    ranking = filtered_ranks(scores, torch.tensor([2, 0, 1]), known)
    assert ranking.rank_M.tolist() == [2, 1, 3]
    assert ranking.candidates_B.tolist() == [3, 4, 4]
    assert mean_reciprocal_rank(ranking.rank_M) == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)
    assert hits_at(ranking.rank_M, 1) == pytest.approx(1 / 3)
    assert hits_at(ranking.rank_M, 3) == 1
