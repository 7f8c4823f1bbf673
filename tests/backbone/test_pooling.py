from __future__ import annotations

import pytest
import torch

from polyscene.backbone.config import POOLINGS
from polyscene.backbone.pooling import pool

STATES = torch.tensor([[[1.0, 0.0], [3.0, 4.0], [50.0, 50.0]], [[0.0, 2.0], [0.0, 4.0], [3.0, 0.0]]])
MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("mean", [[2.0, 2.0], [1.0, 2.0]]),
        ("cls", [[1.0, 0.0], [0.0, 2.0]]),
        ("last", [[3.0, 4.0], [3.0, 0.0]]),
    ],
)
def test_by_hand(pooling, expected):
    torch.testing.assert_close(pool(STATES, MASK, pooling, normalize=False), torch.tensor(expected))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_changes_nothing(pooling):
    torch.manual_seed(0)
    states, mask = torch.randn(4, 6, 8), torch.arange(6) < torch.tensor([[6], [1], [3], [5]])
    long_states = torch.cat([states, torch.full((4, 2, 8), 9.0)], dim=1)
    long_mask = torch.cat([mask, torch.zeros(4, 2, dtype=torch.bool)], dim=1)
    short = pool(states.masked_fill(~mask[..., None], 7.0), mask, pooling, normalize=True)
    torch.testing.assert_close(pool(long_states, long_mask, pooling, normalize=True), short)
    torch.testing.assert_close(short.norm(dim=1), torch.ones(4))


def test_low_precision_is_pooled_in_float32():
    assert pool(STATES.bfloat16(), MASK, "mean", normalize=False).dtype == torch.float32
