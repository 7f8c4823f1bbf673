"""Prototypes of two classes: what one task's user chose or liked, and what not."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.windows import Windows
from polyscene.tasks.task import PairTask, Task
from polyscene.training.meta.catalogue import EpisodeCatalogue

PROTOTYPES = "prototypes"
"""The fast name of the classes' mean vectors ``[2, d]``: not liked, liked."""

_NEGATIVES = 64


def prototypes(
    task: Task, h_BTd: Tensor, catalogue: EpisodeCatalogue, windows: Windows, support_BT: Tensor
) -> Tensor:
    """Means ``[2, d]`` of ``h * x`` over the support rows of each class.

    A task that judges rows has labels. One that ranks has positive rows only: items drawn from the whole catalogue
    stand for what was not chosen. A class without rows lies where the other does, so that nothing is told.

    Args:
        task: judges or ranks.
        h_BTd: adapted states before each step.
        catalogue: the task's items.
        windows: the steps.
        support_BT: bool, the rows to learn from.
    """
    pair_BTd = h_BTd * catalogue.take(windows.item_BT)
    liked_BT = task.labels(windows.value_BT) if isinstance(task, PairTask) else torch.ones_like(support_BT)
    liked_d, is_liked = _mean(pair_BTd, support_BT & liked_BT)
    if isinstance(task, PairTask):
        other_d, is_other = _mean(pair_BTd, support_BT & ~liked_BT)
        return torch.stack([torch.where(is_other, other_d, liked_d), torch.where(is_liked, liked_d, other_d)])
    h_d, _ = _mean(h_BTd, support_BT)
    return torch.stack([h_d * negatives(catalogue).mean(0), liked_d])


def prototype_loss(
    task: Task, prototypes_2d: Tensor, h_BTd: Tensor, catalogue: EpisodeCatalogue, windows: Windows
) -> Tensor:
    """Loss ``[B, T]`` of every step: of its label, or of its item against items drawn from the catalogue."""
    own_BT = log_odds(prototypes_2d, h_BTd * catalogue.take(windows.item_BT))
    if isinstance(task, PairTask):
        label_BT = task.labels(windows.value_BT).to(own_BT.dtype)
        return functional.binary_cross_entropy_with_logits(own_BT, label_BT, reduction="none")
    drawn_BTC = log_odds(prototypes_2d, h_BTd.unsqueeze(-2) * negatives(catalogue))
    return torch.logaddexp(drawn_BTC.logsumexp(-1), own_BT) - own_BT


def log_odds(prototypes_2d: Tensor, pair: Tensor) -> Tensor:
    """``||f - c_0||^2 - ||f - c_1||^2`` as ``[...]`` of pairs ``f`` ``[..., d]``, without their common square."""
    other_d, liked_d = prototypes_2d.unbind(0)
    return 2 * (pair * (liked_d - other_d)).sum(-1) + other_d.square().sum() - liked_d.square().sum()


def negatives(catalogue: EpisodeCatalogue) -> Tensor:
    """Vectors ``[C, d]`` of items drawn from the whole catalogue."""
    return catalogue.take(catalogue.spread(min(_NEGATIVES, catalogue.n_items)))


def _mean(x_BTd: Tensor, chosen_BT: Tensor) -> tuple[Tensor, Tensor]:
    """The mean ``[d]`` of chosen rows, and whether there are any."""
    count = chosen_BT.sum()
    return (x_BTd * chosen_BT.unsqueeze(-1)).flatten(0, 1).sum(0) / count.clamp(min=1), count > 0
