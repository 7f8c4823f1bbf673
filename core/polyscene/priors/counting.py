"""What priors count with: weights of items in histories, and logarithms that are 0 where nothing was counted."""

from __future__ import annotations

import torch
from torch import Tensor

from polyscene.data.windows import Windows

SECONDS_PER_DAY = 86_400.0


def log_above(score: Tensor, unit: float) -> Tensor:
    """``log(1 + score / unit)``: 0 for nothing, and the logarithm up to a constant from the unit on."""
    return torch.log1p(score.clamp(min=0) / unit)


def per_item(windows: Windows, weight_QL: Tensor, n_items: int) -> Tensor:
    """Sums ``[Q, N]`` of the weights of each item's rows."""
    weight_QL = torch.where(windows.valid_BT, weight_QL, 0.0)
    item_QL = windows.item_BT.clamp(max=n_items - 1)
    weight_QL = weight_QL.masked_fill(windows.item_BT >= n_items, 0.0)  # items that came after the count
    return torch.zeros(len(item_QL), n_items, device=weight_QL.device).scatter_add_(1, item_QL, weight_QL.float())


def counted(windows: Windows) -> Tensor:
    """bool ``[Q, L]``: the rows that statistics may hold; those that are context alone are in none."""
    return windows.valid_BT if windows.labelled_BT is None else windows.valid_BT & windows.labelled_BT


def last_places(windows: Windows, depth: int) -> tuple[Tensor, Tensor]:
    """Places ``[Q, depth]`` of the latest rows, the last one first, and which of them there are (bool)."""
    age_D = torch.arange(depth, device=windows.item_BT.device)
    place_QD = windows.length_B.unsqueeze(1) - 1 - age_D
    return place_QD.clamp(min=0), place_QD >= 0


def half_life_weights(windows: Windows, half_life_days: float) -> Tensor:
    """Weight ``[Q, L]`` of each row: half for every half-life before the last one; 1 without a half-life."""
    if half_life_days <= 0:
        return windows.valid_BT.float()
    least = torch.iinfo(torch.int64).min
    last_Q1 = windows.time_BT.masked_fill(~windows.valid_BT, least).amax(dim=1, keepdim=True)
    age_QL = (last_Q1 - windows.time_BT).clamp(min=0).double() / (SECONDS_PER_DAY * half_life_days)
    return torch.where(windows.valid_BT, (0.5**age_QL).float(), 0.0)
