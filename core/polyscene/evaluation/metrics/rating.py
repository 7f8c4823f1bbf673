"""Errors of predicted ratings, in the unit of the rating."""

from __future__ import annotations

from torch import Tensor


def rmse(predicted_R: Tensor, rating_R: Tensor) -> float:
    """Root of the mean squared error; NaN without rows."""
    return (predicted_R.double() - rating_R.double()).square().mean().sqrt().item()


def mae(predicted_R: Tensor, rating_R: Tensor) -> float:
    """Mean absolute error; NaN without rows."""
    return (predicted_R.double() - rating_R.double()).abs().mean().item()
