"""Which state of a history counts: before a step, or after all of it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from polyscene.data.windows import Windows


def before_each_step(h_BTd: Tensor, windows: Windows) -> Tensor:
    """Of states ``[B, T' + 1, d]`` those ``[B, T, d]`` before each step, or before all that happened with it."""
    if not windows.together:
        return h_BTd[:, : windows.item_BT.shape[1]]
    first_BT = windows.first_together_BT()
    return h_BTd.gather(1, first_BT.unsqueeze(-1).expand(-1, -1, h_BTd.shape[-1]))


def after_all(h_BTd: Tensor, windows: Windows) -> Tensor:
    """Of states ``[B, T' + 1, d]`` those ``[B, d]`` after the whole window."""
    return h_BTd[torch.arange(len(h_BTd), device=h_BTd.device), windows.length_B]


def beside_states(states: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Tensor | None:
    """The users' own vectors ``[B, d]``, one beside each of several scenarios' states ``[B, ..., d]``.

    Returns:
        ``[N, d]`` in the order of the states, 0 for scenarios that know nothing about users; None where all do.
    """
    if not own:
        return None
    rows = [
        (own[name].view(len(h), *[1] * (h.ndim - 2), -1) if name in own else h.new_zeros(())).expand_as(h)
        for name, h in states.items()
    ]
    return torch.cat([row.flatten(0, -2) for row in rows])
