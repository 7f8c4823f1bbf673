"""Balancers: what they make of losses by hand."""

from __future__ import annotations

import pytest
import torch

from polyscene.training.balancers import MeanBalancer


def test_the_mean_counts_every_scenario_of_the_step_alike() -> None:
    losses = {
        name: torch.tensor(value, requires_grad=True) for name, value in (("a", 1.0), ("b", 5.0), ("c", 3.0))
    }
    total = MeanBalancer(None, ["a", "b", "c", "not in this step"])(losses)
    total.backward()
    assert total.item() == pytest.approx(3.0)
    assert [loss.grad.item() for loss in losses.values()] == pytest.approx([1 / 3] * 3)
