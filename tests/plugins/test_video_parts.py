"""The parts that the video plugin brings: encoder, adapter, loss."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from polyscene import FitContext, SoftmaxLoss, Timestamp, Windows
from polyscene.features.encoder import SharedModules
from polyscene_video.features import WatchGapConfig, WatchGapEncoder, gaps_and_positions
from polyscene_video.loss import RatingWeightedConfig, RatingWeightedLoss

MINUTE, HOUR = 60, 3600
TIMES = np.array([0, 10 * MINUTE, 10 * MINUTE, 10 * HOUR, 5, 5 + 31 * MINUTE])
USERS = np.array([0, 0, 0, 0, 1, 1])


def context(users: np.ndarray | None = USERS, d_model: int = 8) -> FitContext:
    return FitContext(
        d_model=d_model,
        train_rows=np.ones(len(TIMES), dtype=bool),
        shared=SharedModules(),
        embed_texts=lambda texts: torch.zeros(len(texts), 4),
        embedding_dim=4,
        user_of_row=users,
    )


def watch_gap(times: np.ndarray = TIMES, users: np.ndarray = USERS) -> WatchGapEncoder:
    torch.manual_seed(0)
    encoder = WatchGapEncoder(WatchGapConfig(), Timestamp(encoder="watch_gap"))
    encoder.fit(pd.Series(times), context(users))
    encoder.bind(pd.Series(times), context(users))
    return encoder.eval()


def windows(value_BT: torch.Tensor, valid_BT: torch.Tensor | None = None) -> Windows:
    rows = torch.zeros(value_BT.shape, dtype=torch.int64)
    return Windows(
        user_B=rows[:, 0],
        row_BT=rows,
        valid_BT=torch.ones_like(rows, dtype=torch.bool) if valid_BT is None else valid_BT,
        item_BT=rows,
        value_BT=value_BT,
        time_BT=rows,
        columns={},
        ordered=True,
    )


class TestWatchGap:
    def test_gaps_and_session_positions_by_hand(self):
        gap, position = gaps_and_positions(TIMES, USERS, 30 * MINUTE)
        assert gap.tolist() == [-1, 600, 0, 10 * HOUR - 600, -1, 31 * MINUTE]
        assert position.tolist() == [0, 1, 2, 0, 0, 0]

    def test_a_step_does_not_see_later_ones(self):
        later = TIMES.copy()
        later[3] += 12_345
        before, after = watch_gap()(torch.arange(6)), watch_gap(later)(torch.arange(6))
        changed = (before != after).any(dim=1)
        assert changed.tolist() == [False, False, False, True, False, False]

    def test_a_viewer_does_not_see_another(self):
        alone = watch_gap(TIMES[4:], USERS[4:])(torch.arange(2))
        torch.testing.assert_close(watch_gap()(torch.tensor([4, 5])), alone)

    def test_the_first_row_differs_from_a_gap_of_zero(self):
        encoder = watch_gap(np.array([7, 7]), np.array([0, 0]))
        first, again = encoder(torch.tensor([0, 1]))
        assert not torch.allclose(first, again)

    def test_times_beyond_a_year_and_backwards_stay_finite(self):
        encoder = watch_gap(np.array([2_000_000_000, 0, 2_100_000_000]), np.zeros(3, dtype=int))
        assert encoder(torch.arange(3)).isfinite().all()


class TestRatingWeightedLoss:
    @pytest.fixture
    def scores(self) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(0)
        candidates = torch.randn(2, 2, 5)
        return candidates[..., 0], candidates

    def test_power_zero_is_the_plain_softmax(self, scores: tuple[torch.Tensor, torch.Tensor]):
        positive, candidates = scores
        steps = windows(torch.tensor([[1.0, 5.0], [3.0, 2.0]]))
        weighted = RatingWeightedLoss(RatingWeightedConfig(power=0))
        plain = SoftmaxLoss(None)(positive, candidates, steps, includes_positive=True)
        torch.testing.assert_close(weighted(positive, candidates, steps, includes_positive=True), plain)

    def test_weights_by_hand(self, scores: tuple[torch.Tensor, torch.Tensor]):
        positive, candidates = scores
        # The padded step must not count in the mean weight: (1 + 4 + 4) / 3 = 3.
        steps = windows(torch.tensor([[1.0, 4.0], [4.0, 5.0]]), torch.tensor([[True, True], [True, False]]))
        loss = RatingWeightedLoss(RatingWeightedConfig(power=1))(
            positive, candidates, steps, includes_positive=True
        )
        plain = SoftmaxLoss(None)(positive, candidates, steps, includes_positive=True)
        expected = torch.tensor([[1 / 3, 4 / 3], [4 / 3, 0.0]])
        torch.testing.assert_close(loss, expected * plain)
