"""Popularity counted on a few labels: how far a count of one is believed, and what is compared with what."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from polyscene.tasks.popularity import imagined_rows


def counted(share_N: np.ndarray, rows: int, seed: int) -> torch.Tensor:
    item = np.random.default_rng(seed).choice(len(share_N), rows, p=share_N)
    return torch.from_numpy(np.bincount(item, minlength=len(share_N))).double()


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_pairs_of_rows_tell_how_unequal_items_are(exponent: float) -> None:
    share_N = np.arange(1, 1001) ** -exponent
    share_N /= share_N.sum()
    true = 1000 * (share_N**2).sum()  # how much more popular the item of a random row is than a random item
    found = [1 + 1 / imagined_rows(counted(share_N, 500, seed)) for seed in range(20)]
    assert np.mean(found) == pytest.approx(max(true, 1.1), rel=0.15)


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_with_too_few_rows_for_pairs_the_prior_decides(rows: int) -> None:
    count_N = torch.zeros(10_000, dtype=torch.float64)
    count_N[:rows] = 1
    times = 1 + 1 / imagined_rows(count_N)
    assert times == pytest.approx(10, rel=0.01)
    imagined = imagined_rows(count_N)
    assert math.isclose((1 + imagined) / imagined, times)  # seen once against never seen
