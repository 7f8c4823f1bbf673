"""The inner loop: gradient steps of fast parameters, for all tasks at once. Knows nothing of any model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

FastParameters = dict[str, Tensor]
"""What is adapted to a task, by name: a parameter's name, or a name of something that is not a parameter."""

Losses = Callable[[FastParameters], Tensor]
"""From fast parameters ``[E, ...]`` of E tasks to their losses ``[E]``, each of its own slices only."""


Rates = float | Mapping[str, Tensor | float]
"""Inner learning rates: one number, or by name a number or a tensor that broadcasts with the parameter."""


def descend(
    losses: Losses,
    start: Mapping[str, Tensor],
    count: int,
    rates: Rates,
    steps: int,
    *,
    second_order: bool,
) -> FastParameters:
    """Fast parameters ``[E, ...]`` of E tasks after so many steps of gradient descent from one start.

    ``fast <- fast - rate * grad``. As no task's loss depends on another's slice, the gradient of the summed losses
    holds the gradient of every task.

    Args:
        losses: losses of all tasks; a fast parameter that they do not use stays as it is.
        start: where all tasks begin, without the dimension of tasks.
        count: number of tasks E.
        rates: how far a step goes.
        steps: gradient steps; 0 gives the start.
        second_order: let what is computed from the result be derived through the steps; otherwise inner gradients
            are constants, and the result depends on the start with derivative 1.
    """
    fast = {name: _leaf(value).expand(count, *value.shape) for name, value in start.items()}
    for _ in range(steps):
        fast = _step(losses, fast, rates, second_order=second_order)
    return fast


def settle(losses: Losses, start: Mapping[str, Tensor], count: int, rates: Rates, steps: int) -> FastParameters:
    """As :func:`descend`, where nothing will be derived: no step keeps anything of the one before."""
    fast = {name: value.detach().expand(count, *value.shape) for name, value in start.items()}
    for _ in range(steps):
        with torch.enable_grad():
            leaves = {name: value.detach().requires_grad_() for name, value in fast.items()}
            moved = _step(losses, leaves, rates, second_order=False)
        fast = {name: value.detach() for name, value in moved.items()}
    return fast


def _step(losses: Losses, fast: FastParameters, rates: Rates, *, second_order: bool) -> FastParameters:
    total = losses(fast).sum()
    if not isinstance(rates, Mapping):
        # One rate is a factor of the loss: a factor of the gradients would cost more than the products of a small
        # network, once forward and once in the derivative.
        total = -rates * total
    gradients = torch.autograd.grad(total, list(fast.values()), create_graph=second_order, allow_unused=True)
    moves = dict(zip(fast, gradients, strict=True))
    if isinstance(rates, Mapping):
        moves = {name: None if move is None else -rates[name] * move for name, move in moves.items()}
    # Moves come first: the sum then is laid out as they are, transposed, and later steps add like to like.
    return {name: value if (move := moves[name]) is None else move + value for name, value in fast.items()}


def _leaf(value: Tensor) -> Tensor:
    """Something to derive by: a parameter (or its slice) itself, or what is none and begins anew for each task."""
    return value if value.requires_grad else value.detach().requires_grad_()
