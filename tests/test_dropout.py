"""Dropout by 16 bits an element: exact in its chances, with torch's meaning and torch's seeds."""

from __future__ import annotations

import pytest
import torch
from torch.func import vmap
from torch.nn import functional

from polyscene.dropout import Dropout, dropout

N = 400_000


@pytest.mark.parametrize("p", [0.0001, 0.1, 0.3, 0.5, 0.9])
def test_each_of_the_four_elements_of_a_word_is_dropped_as_often_as_asked(p: float) -> None:
    torch.manual_seed(0)
    dropped_N4 = (dropout(torch.ones(N, 4), p, training=True) == 0).float()
    four_deviations = 4 * (p * (1 - p) / N) ** 0.5
    assert (dropped_N4.mean(0) - p).abs().max() < four_deviations
    # Neither do elements of a word know of each other.
    product_44 = (dropped_N4 - p).T @ (dropped_N4 - p) / N
    assert product_44.fill_diagonal_(0).abs().max() < 5 * p * (1 - p) / N**0.5


@pytest.mark.parametrize("p", [0.1, 0.3, 0.75])
def test_what_stays_is_scaled_by_the_rounded_chance(p: float) -> None:
    found = dropout(torch.ones(1001), p, training=True)
    scale = 1 / (1 - round(p * 2**16) / 2**16)
    assert set(found.tolist()) == {0.0, torch.tensor(scale).item()}
    assert scale == pytest.approx(1 / (1 - p), abs=2e-4)


@pytest.mark.parametrize("p", [0.0, 1.0, 1e-9])
def test_where_nothing_is_to_be_drawn_it_is_torch(p: float) -> None:
    x = torch.randn(7, 5)
    assert torch.equal(dropout(x, p, training=True), functional.dropout(x, p) if p else x)


def test_gradients_pass_where_values_do() -> None:
    x = torch.randn(33, 3, requires_grad=True)
    y = dropout(x, 0.4, training=True)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad * x, y)


def test_the_seed_says_what_is_drawn() -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return dropout(torch.ones(64, 3), 0.5, training=True)

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_tasks_of_a_vmap_draw_apart() -> None:
    found = vmap(lambda x: dropout(x, 0.5, training=True), randomness="different")(torch.ones(3, 40, 8))
    assert not torch.equal(found[0], found[1])


def test_the_module_drops_in_training_alone() -> None:
    module, x = Dropout(0.5), torch.ones(100)
    assert (module(x) == 0).any()
    assert torch.equal(module.eval()(x), x)
    assert module(torch.ones(4, 2, dtype=torch.bfloat16)).dtype is torch.bfloat16
