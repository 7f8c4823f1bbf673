"""Ranks: against sorting by hand, under ties, masks and any order of users and items."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.evaluation.ranking import Ranking, rank_targets
from polyscene.retrieval.pairs import Pairs

ROWS, ITEMS = 6, 40


def pairs(*cells: tuple[int, int]) -> Pairs:
    row, item = zip(*cells, strict=True) if cells else ((), ())
    return Pairs(torch.tensor(row, dtype=torch.int64), torch.tensor(item, dtype=torch.int64))


def every_pair(rows: int, items: int) -> Pairs:
    return Pairs(torch.arange(rows).repeat_interleave(items), torch.arange(items).repeat(rows))


def distinct_scores(seed: int, rows: int = ROWS, items: int = ITEMS) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(items, generator=generator) for _ in range(rows)]).float()


def test_a_case_by_hand() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.5, 0.7], [4.0, 3.0, 2.0, 1.0], [0.0, -1.0, -2.0, -3.0]])
    ranking = rank_targets(scores, pairs((0, 2), (0, 1), (1, 3)), masked=pairs((0, 3), (1, 0)), top=3)
    # User 0 without item 3: 1, 2, 0. User 1 without item 0: 1, 2, 3. User 2 asks for nothing.
    assert ranking.row_M.tolist() == [0, 0, 1]
    assert ranking.item_M.tolist() == [1, 2, 3]
    assert ranking.rank_M.tolist() == [1, 2, 3]
    assert ranking.targets_per_row.tolist() == [2, 1, 0]
    assert ranking.candidates_B.tolist() == [3, 3, 4]
    assert ranking.top_BK.tolist() == [[1, 2, 0], [1, 2, 3], [0, 1, 2]]


@given(st.integers(0, 1000), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_ranks_are_those_of_sorting(seed: int, per_row: int) -> None:
    generator = np.random.default_rng(seed)
    scores = distinct_scores(seed)
    masked = torch.from_numpy(generator.random((ROWS, ITEMS)) < 0.3)
    few = Pairs(
        torch.arange(ROWS).repeat_interleave(per_row),
        torch.from_numpy(generator.integers(0, ITEMS, ROWS * per_row)),
    )
    for targets in (few, every_pair(ROWS, ITEMS)):
        ranking = rank_targets(scores, targets, masked=masked)
        for row, item, rank in zip(ranking.row_M, ranking.item_M, ranking.rank_M, strict=True):
            allowed = ~masked[row]
            assert allowed[item]
            assert rank == 1 + (scores[row][allowed] > scores[row, item]).sum()


@pytest.mark.parametrize("value", [0.0, -3.5, float("nan"), float("-inf"), float("inf")])
def test_a_constant_score_is_worth_chance_and_no_more(value: float) -> None:
    rows, items, k = 4000, 50, 5
    ranking = rank_targets(torch.full((rows, items), value), Pairs(torch.arange(rows), torch.zeros(rows).long()))
    hits = (ranking.rank_M <= k).double().mean()
    assert abs(hits - k / items) < 4 * (0.1 * 0.9 / rows) ** 0.5
    assert torch.bincount(ranking.rank_M, minlength=items + 1)[1:].min() > 0.6 * rows / items


@pytest.mark.parametrize(("items", "first_user"), [(50, 0), (461, 1_000_000)])
def test_a_constant_score_is_worth_chance_among_any_candidates(items: int, first_user: int) -> None:
    rows, generator = 2000, torch.Generator().manual_seed(items)
    for _ in range(3):
        chosen = torch.randperm(items, generator=generator)[:10]
        ranking = rank_targets(
            torch.zeros(rows, items),
            Pairs(torch.arange(rows), chosen[:1].expand(rows)),
            candidates_N=torch.isin(torch.arange(items), chosen),
            user_B=torch.arange(first_user, first_user + rows),
        )
        count = torch.bincount(ranking.rank_M, minlength=11)[1:].double()
        # Chi-square with 9 degrees of freedom: above 33.7 once in 10,000 draws.
        assert ((count - rows / 10) ** 2 / (rows / 10)).sum() < 33.7


def test_ties_do_not_depend_on_the_batch_and_lists_agree_with_ranks() -> None:
    scores = torch.zeros(8, ITEMS)
    user = torch.arange(100, 108)
    whole = rank_targets(scores, every_pair(8, ITEMS), user_B=user, top=ITEMS)
    parts = [
        rank_targets(scores[i : i + 2], every_pair(2, ITEMS), user_B=user[i : i + 2], top=ITEMS)
        for i in (0, 2, 4, 6)
    ]
    joined = Ranking.join(parts)
    assert torch.equal(whole.rank_M, joined.rank_M)
    assert torch.equal(whole.row_M, joined.row_M)
    assert torch.equal(whole.top_BK, joined.top_BK)
    assert torch.equal(whole.top_BK[whole.row_M, whole.rank_M - 1], whole.item_M)
    assert len({tuple(row) for row in whole.top_BK.tolist()}) == 8  # each user has an order of her own


def test_the_order_of_ties_stays_what_published_figures_were_made_with() -> None:
    user = torch.tensor([0, 1, 1_000_000])
    ranks = rank_targets(torch.zeros(3, 8), every_pair(3, 8), user_B=user).rank_M.reshape(3, 8)
    assert ranks.tolist() == [[8, 2, 5, 3, 7, 6, 4, 1], [4, 6, 7, 5, 8, 2, 3, 1], [8, 5, 2, 1, 4, 3, 7, 6]]


@pytest.mark.parametrize("together", [1, 100, 170])
def test_what_is_looked_at_together_decides_nothing(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scores, targets = distinct_scores(1) // 8, every_pair(ROWS, ITEMS)
    whole = rank_targets(scores, targets, masked=scores == 2, top=5)
    monkeypatch.setattr("polyscene.evaluation.ranking._TOGETHER_ON_CPU", together)
    parts = rank_targets(scores, targets, masked=scores == 2, top=5)
    for name in ("row_M", "item_M", "rank_M", "candidates_B", "top_BK"):
        assert torch.equal(getattr(parts, name), getattr(whole, name))


def test_zeros_of_both_signs_tie_and_nan_is_last() -> None:
    scores = torch.tensor([[0.0, -0.0, float("nan"), -5.0]]).repeat(300, 1)
    ranking = rank_targets(scores, every_pair(300, 4))
    rank = ranking.rank_M.reshape(300, 4)
    assert set(rank[:, 0].tolist()) == {1, 2}
    assert (rank[:, 3] == 3).all()
    assert (rank[:, 2] == 4).all()


def test_masked_targets_and_repeated_targets_are_no_targets() -> None:
    scores = distinct_scores(0)
    ranking = rank_targets(scores, pairs((0, 1), (0, 1), (0, 2), (3, 5)), masked=pairs((0, 2), (3, 5)))
    assert ranking.row_M.tolist() == [0]
    everything = rank_targets(scores, pairs((0, 1)), masked=torch.ones(ROWS, ITEMS, dtype=torch.bool), top=3)
    assert len(everything.rank_M) == 0
    assert everything.candidates_B.tolist() == [0] * ROWS
    assert (everything.top_BK == -1).all()
    nobody = rank_targets(scores, pairs())
    assert nobody.targets_per_row.tolist() == [0] * ROWS


def test_lists_longer_than_the_catalogue_are_filled_with_nothing() -> None:
    ranking = rank_targets(distinct_scores(0), pairs((0, 0)), top=ITEMS + 5)
    assert ranking.top_BK.shape == (ROWS, ITEMS + 5)
    assert (ranking.top_BK[:, ITEMS:] == -1).all()


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_permuting_users_or_items_permutes_ranks(seed: int) -> None:
    scores = distinct_scores(seed)
    generator = torch.Generator().manual_seed(seed)
    users, items = torch.randperm(ROWS, generator=generator), torch.randperm(ITEMS, generator=generator)
    whole = rank_targets(scores, every_pair(ROWS, ITEMS)).rank_M.reshape(ROWS, ITEMS)
    moved = rank_targets(scores[users][:, items], every_pair(ROWS, ITEMS)).rank_M.reshape(ROWS, ITEMS)
    assert torch.equal(moved, whole[users][:, items])


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_monotone_transforms_leave_ranks_alone_ties_included(seed: int) -> None:
    scores = (distinct_scores(seed) // 4) - 3
    ranks = rank_targets(scores, every_pair(ROWS, ITEMS)).rank_M
    for changed in (scores * 7 - 100, scores.exp(), scores.double(), scores.half(), scores**3):
        assert torch.equal(rank_targets(changed, every_pair(ROWS, ITEMS)).rank_M, ranks)


def test_scores_are_left_as_they_were() -> None:
    scores = distinct_scores(0)
    before = scores.clone()
    rank_targets(scores, pairs((0, 1)), masked=pairs((0, 2)), candidates_N=torch.arange(ITEMS) < 9, top=3)
    assert torch.equal(scores, before)


def test_pairs_of_windows_skip_empty_rows() -> None:
    item = torch.tensor([5, 6, 7, 8, 9], dtype=torch.int32)
    found = Pairs.of_windows(item, torch.tensor([3, 0, 1]), torch.tensor([5, 0, 3]))
    assert found.row_M.tolist() == [0, 0, 2, 2]
    assert found.item_M.tolist() == [8, 9, 6, 7]
