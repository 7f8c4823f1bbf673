"""From values per user to a mean with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Summary:
    """A metric over users.

    Args:
        mean: mean over the users that have a value; NaN if there are none.
        standard_error: sample standard deviation over users divided by the root of their number; NaN below two.
        users: number of users with a value.
        value_B: the value of each user, NaN for those without; empty where the metric is of no single user.
    """

    mean: float
    standard_error: float
    users: int
    value_B: Tensor = field(default_factory=lambda: torch.empty(0), compare=False, repr=False)


def summarize(value_B: Tensor) -> Summary:
    """Mean and standard error over users; users without a value (NaN: nothing to find) do not count."""
    value = value_B[~torch.isnan(value_B)].double()
    users = len(value)
    mean = value.mean().item() if users else math.nan
    error = value.std().item() / math.sqrt(users) if users > 1 else math.nan
    return Summary(mean, error, users, value_B)
