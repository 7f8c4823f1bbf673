"""The inner loop: gradient steps of fast parameters, for all tasks at once. Knows nothing of any model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

FastParameters = dict[str, Tensor]
"""What is adapted to a task, by name: a parameter's name, or a name of something that is not a parameter."""

Losses = Callable[[FastParameters], Tensor]
"""From fast parameters ``[E, ...]`` of E tasks to their losses ``[E]``, each of its own slices only."""


def descend(
    losses: Losses,
    start: Mapping[str, Tensor],
    count: int,
    rates: Mapping[str, Tensor | float],
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
        rates: a factor for each name: a number, or a tensor that broadcasts with the parameter.
        steps: gradient steps; 0 gives the start.
        second_order: let what is computed from the result be derived through the steps; otherwise inner gradients
            are constants, and the result depends on the start with derivative 1.
    """
    fast = {name: _leaf(value).expand(count, *value.shape) for name, value in start.items()}
    for _ in range(steps):
        gradients = torch.autograd.grad(
            losses(fast).sum(), list(fast.values()), create_graph=second_order, allow_unused=True
        )
        fast = {
            name: value if gradient is None else value - rates[name] * gradient
            for (name, value), gradient in zip(fast.items(), gradients, strict=True)
        }
    return fast


def settle(
    losses: Losses, start: Mapping[str, Tensor], count: int, rates: Mapping[str, Tensor | float], steps: int
) -> FastParameters:
    """As :func:`descend`, where nothing will be derived: no step keeps anything of the one before."""
    fast = {name: value.detach().expand(count, *value.shape) for name, value in start.items()}
    for _ in range(steps):
        with torch.enable_grad():
            leaves = {name: value.detach().requires_grad_() for name, value in fast.items()}
            gradients = torch.autograd.grad(losses(leaves).sum(), list(leaves.values()), allow_unused=True)
        with torch.no_grad():
            fast = {
                name: value if gradient is None else value - rates[name] * gradient
                for (name, value), gradient in zip(fast.items(), gradients, strict=True)
            }
    return fast


def _leaf(value: Tensor) -> Tensor:
    """Something to derive by: a parameter (or its slice) itself, or what is none and begins anew for each task."""
    return value if value.requires_grad else value.detach().requires_grad_()
