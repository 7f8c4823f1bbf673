"""Ranking metrics: cases computed by hand, users without targets, agreement with torchmetrics."""

import math

import pytest
import torch
from torchmetrics.functional.retrieval import (
    retrieval_average_precision,
    retrieval_hit_rate,
    retrieval_normalized_dcg,
    retrieval_recall,
    retrieval_reciprocal_rank,
)

from polyscene.evaluation.metrics import (
    average_precision,
    catalogue_coverage,
    gini,
    hit,
    ndcg,
    novelty,
    popularity_bias,
    recall,
    reciprocal_rank,
    summarize,
)
from polyscene.evaluation.ranking import Ranking, rank_targets
from polyscene.retrieval.pairs import Pairs


def ranking(ranks: list[list[int]]) -> Ranking:
    row = [user for user, own in enumerate(ranks) for _ in own]
    rank = torch.tensor([one for own in ranks for one in own], dtype=torch.int64)
    return Ranking(
        row_M=torch.tensor(row, dtype=torch.int64),
        item_M=torch.zeros_like(rank),
        rank_M=rank,
        candidates_B=torch.full((len(ranks),), 100),
        top_BK=torch.empty(len(ranks), 0, dtype=torch.int64),
    )


# Ranks of the targets of four users; the third asks for nothing.
CASE = ranking([[3, 1], [7], [], [12, 2, 5, 30]])


def test_ndcg_by_hand() -> None:
    two, four = 1 + 1 / math.log2(3), sum(1 / math.log2(i + 1) for i in (1, 2, 3, 4))
    expected = [(1 + 1 / 2) / two, 0, math.nan, (1 / math.log2(3) + 1 / math.log2(6)) / four]
    assert ndcg(CASE, 5).tolist() == pytest.approx(expected, nan_ok=True)
    # With a list of one, one hit is all that can be had.
    assert ndcg(CASE, 1).tolist() == pytest.approx([1, 0, math.nan, 0], nan_ok=True)


def test_recall_and_hit_by_hand() -> None:
    assert recall(CASE, 5).tolist() == pytest.approx([1, 0, math.nan, 0.5], nan_ok=True)
    assert hit(CASE, 5).tolist() == pytest.approx([1, 0, math.nan, 1], nan_ok=True)
    assert hit(CASE, 10).tolist() == pytest.approx([1, 1, math.nan, 1], nan_ok=True)


def test_reciprocal_rank_and_average_precision_by_hand() -> None:
    assert reciprocal_rank(CASE).tolist() == pytest.approx([1, 1 / 7, math.nan, 1 / 2], nan_ok=True)
    whole = [(1 + 2 / 3) / 2, 1 / 7, math.nan, (1 / 2 + 2 / 5 + 3 / 12 + 4 / 30) / 4]
    assert average_precision(CASE).tolist() == pytest.approx(whole, nan_ok=True)
    short = [1 / 2 * (1 + 2 / 3), 0, math.nan, (1 / 2) / 3]
    assert average_precision(CASE, 3).tolist() == pytest.approx(short, nan_ok=True)


def test_summary_leaves_out_users_without_targets() -> None:
    summary = summarize(torch.tensor([1.0, 0.0, math.nan, 0.5], dtype=torch.float64))
    assert summary.users == 3
    assert summary.mean == pytest.approx(0.5)
    assert summary.standard_error == pytest.approx(0.5 / math.sqrt(3))
    nobody = summarize(torch.full((4,), math.nan))
    assert nobody.users == 0
    assert math.isnan(nobody.mean)
    assert math.isnan(summarize(torch.tensor([0.3])).standard_error)


def test_torchmetrics_agrees_where_scores_do_not_tie() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, target = torch.rand(30, 25, generator=generator), torch.rand(30, 25, generator=generator) < 0.2
    target[:, 0] = True
    row, item = target.nonzero(as_tuple=True)
    found = rank_targets(scores, Pairs(row, item))
    theirs = {
        "ndcg": (ndcg(found, 5), lambda s, t: retrieval_normalized_dcg(s, t, top_k=5)),
        "recall": (recall(found, 5), lambda s, t: retrieval_recall(s, t, top_k=5)),
        "hit": (hit(found, 5), lambda s, t: retrieval_hit_rate(s, t, top_k=5)),
        "mrr": (reciprocal_rank(found), retrieval_reciprocal_rank),
        "map": (average_precision(found), retrieval_average_precision),
    }
    for name, (ours, their) in theirs.items():
        expected = [their(s, t).item() for s, t in zip(scores, target, strict=True)]
        assert ours.tolist() == pytest.approx(expected, abs=1e-6), name


def test_torchmetrics_ranks_a_constant_score_by_position_and_counts_empty_users_as_zero() -> None:
    """Why ranking metrics are our own."""
    places = torch.eye(20, dtype=torch.bool)
    found = [retrieval_hit_rate(torch.ones(20), target, top_k=2).item() for target in places]
    assert set(found) == {0.0, 1.0}  # all users that ask for one item share its luck
    assert retrieval_reciprocal_rank(torch.rand(3), torch.zeros(3, dtype=torch.bool)) == 0


def test_beyond_accuracy_by_hand() -> None:
    top = torch.tensor([[0, 1], [0, 2], [0, -1]])
    assert catalogue_coverage(top, 5) == pytest.approx(3 / 5)
    # Counts 0, 0, 1, 1, 3: (-4*0 - 2*0 + 0*1 + 2*1 + 4*3) / (5 * 5).
    assert gini(top, 5) == pytest.approx(14 / 25)
    popularity = torch.tensor([7, 3, 1, 0, 0])
    bits = [-math.log2(8 / 16), -math.log2(4 / 16), -math.log2(2 / 16)]
    expected = [(bits[0] + bits[1]) / 2, (bits[0] + bits[2]) / 2, bits[0]]
    assert novelty(top, popularity, 15).tolist() == pytest.approx(expected)
    assert popularity_bias(top, popularity).tolist() == pytest.approx([(0.9 + 0.7) / 2, (0.9 + 0.5) / 2, 0.9])


def test_gini_of_equal_and_of_one_sided_lists() -> None:
    assert gini(torch.arange(6).reshape(3, 2), 6) == pytest.approx(0)
    assert gini(torch.zeros(9, 1, dtype=torch.int64), 6) == pytest.approx(1 - 1 / 6)


def test_all_items_shown_are_as_popular_as_the_catalogue() -> None:
    popularity = torch.tensor([5, 5, 1, 9, 0, 2])
    assert popularity_bias(torch.arange(6).unsqueeze(0), popularity).item() == pytest.approx(0.5)


def test_lists_without_items_have_no_value() -> None:
    empty = torch.tensor([[-1, -1]])
    assert math.isnan(novelty(empty, torch.ones(3), 3).item())
    assert math.isnan(popularity_bias(empty, torch.ones(3)).item())
    assert math.isnan(gini(empty, 3))
