"""Rows that count more: how often each row is drawn, from weights per row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import ConfigError


def rarity_weights(events: Events, exponent: float) -> Tensor:
    """Weights ``[R]`` that let rows of rare items come up more often: (training rows of the item) ** -exponent.

    With exponent 0 every row counts the same, with 1 every item does; 0.5 lies between [Mikolov et al., 2013, and
    Mahajan et al., ECCV'18, draw by the root of frequencies].

    Args:
        events: the scenario's events.
        exponent: 0 or more.
    """
    item_R = events.item_R.cpu().long()
    train = torch.from_numpy(events.rows([Phase.TRAIN])[1])
    count_N = torch.bincount(item_R[train], minlength=events.n_items).clamp(min=1)
    return count_N[item_R].double() ** -exponent


def draw_weights(events: Events, of_task: Tensor | None, exponent: float) -> Tensor | None:
    """How often each event row is to be drawn, ``[R]``; None where all rows count the same.

    Args:
        events: the scenario's events.
        of_task: what its task asks for, as for classes.
        exponent: of :func:`rarity_weights`.
    """
    if not exponent:
        return of_task
    rare_R = rarity_weights(events, exponent)
    return rare_R if of_task is None else rare_R * of_task.to(rare_R)


def checked_weights(weights_R: Tensor, events: Events) -> np.ndarray:
    """Weights of rows as float64 ``[R]``, zero outside training.

    Raises:
        ConfigError: not one per row, not finite, negative, or all zero in training.
    """
    weight_R = weights_R.detach().double().cpu().numpy()
    train = events.rows([Phase.TRAIN])[1]
    if weight_R.shape != (len(events.item_R),):
        raise ConfigError(
            f"there are {weight_R.shape} weights for {len(events.item_R):,} rows",
            where="resampling",
            fix="give one number per event row",
        )
    own = weight_R[train]
    if not np.isfinite(own).all() or (own < 0).any() or not own.sum() > 0:
        raise ConfigError(
            "weights of training rows must be finite, 0 or more, and not all 0",
            where="resampling",
            fix="use a smaller exponent",
        )
    result = np.zeros_like(weight_R)
    result[train] = own
    return result


@dataclass(frozen=True)
class Places:
    """How likely windows are, and rows within them.

    Args:
        mass_P: float64 mass of every place that a window can have, users one after the other.
        keep_R: float32 probability with which a row of a drawn window is learned from.
    """

    mass_P: Tensor
    keep_R: Tensor


def weighted_places(weight_R: np.ndarray, start_U: np.ndarray, stop_U: np.ndarray, length: int) -> Places:
    """Places of windows such that each row is learned from as often as its weight says, exactly.

    A place weighs as much as the heaviest row in it. A row of weight w then lies in windows of a total mass of at
    least T w, so it is kept as a label with probability T w over that mass, and is context otherwise. Equal
    weights keep every row.

    Args:
        weight_R: weight of each row, 0 outside training.
        start_U, stop_U: training rows of each user.
        length: window width T.
    """
    from scipy.ndimage import maximum_filter1d  # of weighted rows alone, and slow to import

    count_U = stop_U - start_U
    long_U, before = count_U > length, length - 1
    places_U = np.where(long_U, count_U + before, length * (count_U > 0))
    # Rows of users side by side, with T - 1 empty cells before and after, so that no window spans two users.
    cells_U = count_U + 2 * before
    first_U = np.cumsum(cells_U) - cells_U + before
    row_M = np.repeat(start_U, count_U) + _counting(count_U)
    cell_M = np.repeat(first_U, count_U) + _counting(count_U)
    weight_C = np.zeros(int(cells_U.sum()))
    weight_C[cell_M] = weight_R[row_M]
    # The heaviest of the T cells from each one on.
    heaviest_C = maximum_filter1d(weight_C, length, mode="constant", origin=-(length // 2))
    # A long user's first window begins T - 1 cells before the rows; a short user is taken whole, T times.
    begin_P = np.repeat(first_U, places_U) + np.repeat(long_U, places_U) * (_counting(places_U) - before)
    mass_P = heaviest_C[begin_P]
    mass_C = np.bincount(begin_P, weights=mass_P, minlength=len(weight_C))
    sum_C = np.concatenate([[0.0], np.cumsum(mass_C)])
    covered_M = sum_C[cell_M + 1] - sum_C[cell_M + 1 - length]
    keep_R = np.zeros(len(weight_R))
    keep_R[row_M] = np.minimum(1.0, length * weight_R[row_M] / np.maximum(covered_M, np.finfo(float).tiny))
    return Places(torch.from_numpy(mass_P), torch.from_numpy(keep_R).float())


def marks(mass_P: Tensor) -> Tensor:
    """Where the stretch of each of P places ends, int64 ``[P]``, when they share 2^52 marks by their mass.

    A mark drawn at random lies in the stretch of a place with the place's probability. Whole numbers, because not
    every device has numbers of 64 bits with a point.
    """
    sum_P = mass_P.double().cumsum(0)
    return (sum_P / sum_P[-1] * 2**52).round().long()


def _counting(count_U: np.ndarray) -> np.ndarray:
    """0 to ``count - 1`` for each count, one after the other."""
    return np.arange(count_U.sum()) - np.repeat(np.cumsum(count_U) - count_U, count_U)
