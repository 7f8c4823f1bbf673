"""The best of many scores: exactly the top of a full ranking, whatever ties, is left out or comes in blocks."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.evaluation.ranking import rank_targets
from polyscene.retrieval.best import Best, Wanted, best_of_blocks
from polyscene.retrieval.order import comparable, item_codes
from polyscene.retrieval.pairs import Pairs

NOTHING = Pairs(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
CPU = torch.device("cpu")


def best_of(score_BN: torch.Tensor, wanted: Wanted, size: int) -> Best:
    n_items = score_BN.shape[1]
    blocks = zip(range(0, n_items, size), score_BN.split(size, dim=1), strict=True)
    return best_of_blocks(blocks, wanted, item_codes(n_items, CPU))


def full_ranking(score_BN: torch.Tensor, wanted: Wanted) -> torch.Tensor:
    ranking = rank_targets(
        score_BN,
        NOTHING,
        masked=wanted.masked,
        candidates_N=wanted.candidates_N,
        user_B=wanted.user_B,
        top=wanted.count,
    )
    return ranking.top_BK


@given(
    seed=st.integers(0, 10_000),
    n_items=st.sampled_from([1, 7, 60, 900]),
    values=st.sampled_from([1, 3, 40, 100_000]),
    count=st.sampled_from([1, 4, 10, 70]),
    size=st.sampled_from([1, 11, 150, 1000]),
    share_out=st.sampled_from([0.0, 0.3, 0.97]),
    restrict=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_it_is_the_top_of_a_full_ranking(
    *, seed: int, n_items: int, values: int, count: int, size: int, share_out: float, restrict: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = 4
    score_BN = torch.randint(values, (rows, n_items), generator=generator).float() - values // 2
    for odd in (float("nan"), float("inf"), float("-inf"), -0.0):
        score_BN[torch.rand(rows, n_items, generator=generator) < 0.02] = odd
    row_M, item_M = (torch.rand(rows, n_items, generator=generator) < share_out).nonzero().unbind(1)
    wanted = Wanted(
        count,
        torch.randint(10_000, (rows,), generator=generator),
        Pairs(row_M, item_M) if share_out else None,
        torch.rand(n_items, generator=generator) < 0.5 if restrict else None,
    )
    before = score_BN.clone()
    found = best_of(score_BN, wanted, size)
    assert torch.equal(score_BN.nan_to_num(7.0), before.nan_to_num(7.0)), "scores are the caller's"
    assert torch.equal(found.item_BK, full_ranking(score_BN, wanted))
    there_BK = found.item_BK >= 0
    own_BK = comparable(score_BN).gather(1, found.item_BK.clamp(min=0))
    assert torch.equal(found.score_BK[there_BK], own_BK[there_BK])
    assert (found.score_BK[~there_BK] == -torch.inf).all()


def test_equal_scores_are_in_every_users_own_order_across_blocks() -> None:
    wanted = Wanted(5, torch.arange(40))
    found = best_of(torch.zeros(40, 400), wanted, 90)
    assert torch.equal(found.item_BK, full_ranking(torch.zeros(40, 400), wanted))
    assert len({tuple(row) for row in found.item_BK.tolist()}) == 40


def test_some_rows_of_what_is_wanted_are_numbered_anew() -> None:
    masked = Pairs(torch.tensor([0, 2, 2, 3]), torch.tensor([5, 6, 7, 8]))
    some = Wanted(3, torch.tensor([10, 11, 12, 13]), masked).rows(torch.tensor([2, 3]))
    assert some.masked is not None
    assert some.user_B.tolist() == [12, 13]
    assert list(zip(some.masked.row_M.tolist(), some.masked.item_M.tolist(), strict=True)) == [
        (0, 6),
        (0, 7),
        (1, 8),
    ]
