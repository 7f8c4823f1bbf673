"""The loss of a step by hand, and the random numbers of a step."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from polyscene.training.step import seed_step, step_losses


def test_losses_are_means_over_valid_steps_and_weighted_sums_over_tasks() -> None:
    ranking = torch.tensor([[1.0, 2.0, math.nan], [3.0, math.inf, 99.0]], requires_grad=True)
    rating = torch.tensor([[10.0, 20.0, 5.0], [30.0, 5.0, 5.0]], requires_grad=True)
    valid = torch.tensor([[True, True, False], [True, False, False]])
    batch = {"video": SimpleNamespace(learned_BT=valid)}
    weights = {"video": {"ranking": 1.0, "rating": 0.5}}
    losses = step_losses(lambda _: {"video": {"ranking": ranking, "rating": rating}}, batch, weights)  # type: ignore[arg-type]
    assert losses["video"].item() == pytest.approx((1 + 2 + 3) / 3 + 0.5 * (10 + 20 + 30) / 3)
    losses["video"].backward()
    assert ranking.grad is not None
    assert ranking.grad.flatten().tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3, 0, 0])


def test_a_batch_without_valid_steps_has_no_loss() -> None:
    batch = {"a": SimpleNamespace(learned_BT=torch.zeros(2, 3, dtype=torch.bool))}
    losses = step_losses(lambda _: {"a": {"t": torch.full((2, 3), math.nan)}}, batch, {"a": {"t": 1.0}})  # type: ignore[arg-type]
    assert losses["a"].item() == 0.0


def test_random_numbers_depend_on_seed_step_and_rank_only() -> None:
    def drawn(*key: int) -> float:
        seed_step(*key)
        return torch.rand(()).item()

    keys = [(seed, step, rank) for seed in (0, 1, 12345) for step in (0, 1, 10**6) for rank in (0, 1)]
    assert len({drawn(*key) for key in keys}) == len(keys)
    assert drawn(3, 4) == drawn(3, 4)
