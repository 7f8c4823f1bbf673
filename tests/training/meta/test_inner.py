"""The vectorized inner loop against a plain loop over tasks, to second order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from polyscene.training.meta.inner import FastParameters, descend, settle

TASKS, STEPS, RATE = 3, 2, 0.3


def loss(fast: FastParameters, x_Rd: Tensor, y_R: Tensor) -> Tensor:
    hidden = (x_Rd @ fast["first"]).tanh()
    return ((hidden @ fast["last"]).squeeze(-1) - y_R).square().mean()


def problem() -> tuple[FastParameters, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    start = {
        "first": torch.randn(4, 5, generator=generator, dtype=torch.float64, requires_grad=True),
        "last": torch.randn(5, 1, generator=generator, dtype=torch.float64, requires_grad=True),
        "unused": torch.zeros(2, dtype=torch.float64, requires_grad=True),
    }
    x_ERd = torch.randn(TASKS, 6, 4, generator=generator, dtype=torch.float64)
    return start, x_ERd, torch.randn(TASKS, 6, generator=generator, dtype=torch.float64)


def plain_loop(start: FastParameters, x_ERd: Tensor, y_ER: Tensor, *, second_order: bool) -> Tensor:
    queries = []
    for x_Rd, y_R in zip(x_ERd, y_ER, strict=True):
        fast = dict(start)
        for _ in range(STEPS):
            wanted = [fast["first"], fast["last"]]
            first, last = torch.autograd.grad(loss(fast, x_Rd[:3], y_R[:3]), wanted, create_graph=second_order)
            fast |= {"first": fast["first"] - RATE * first, "last": fast["last"] - RATE * last}
        queries.append(loss(fast, x_Rd[3:], y_R[3:]))
    return torch.stack(queries)


@pytest.mark.parametrize("by_name", [False, True], ids=["one rate", "a rate each"])
@pytest.mark.parametrize("second_order", [False, True], ids=["first order", "second order"])
def test_it_is_the_plain_loop(second_order: bool, by_name: bool) -> None:
    start, x_ERd, y_ER = problem()
    losses = vmap(loss)
    rates = dict.fromkeys(start, RATE) if by_name else RATE
    fast = descend(
        lambda now: losses(now, x_ERd[:, :3], y_ER[:, :3]), start, TASKS, rates, STEPS, second_order=second_order
    )
    ours_E = losses(fast, x_ERd[:, 3:], y_ER[:, 3:])
    plain_E = plain_loop(start, x_ERd, y_ER, second_order=second_order)
    torch.testing.assert_close(ours_E, plain_E, rtol=1e-12, atol=1e-12)
    wanted = [start["first"], start["last"]]
    for one, other in zip(
        torch.autograd.grad(ours_E.sum(), wanted), torch.autograd.grad(plain_E.sum(), wanted), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-10)


def test_the_orders_differ() -> None:
    start, x_ERd, y_ER = problem()
    first, second = (
        torch.autograd.grad(plain_loop(start, x_ERd, y_ER, second_order=order).sum(), start["first"])[0]
        for order in (False, True)
    )
    assert not torch.allclose(first, second, rtol=1e-2)


def test_settling_ends_where_descending_does_and_keeps_no_graph() -> None:
    start, x_ERd, y_ER = problem()
    losses = vmap(loss)

    def support(now: FastParameters) -> Tensor:
        return losses(now, x_ERd, y_ER)

    reached = settle(support, start, TASKS, RATE, STEPS)
    for name, value in descend(support, start, TASKS, RATE, STEPS, second_order=True).items():
        torch.testing.assert_close(reached[name], value.detach())
        assert not reached[name].requires_grad
