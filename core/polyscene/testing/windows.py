"""Windows of a scenario's rows as suites need them: every user's, some of them, said otherwise, elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows, take_windows
from polyscene.priors.moments import unanswered

LONGEST = 32


def pasts(events: Events) -> Windows:
    """The training rows of every user, the last 32."""
    start_U, stop_U = events.start_UP[:, Phase.TRAIN], events.start_UP[:, Phase.TRAIN + 1]
    first_U = torch.maximum(start_U, stop_U - LONGEST)
    return take_windows(events, torch.arange(events.n_users), first_U, stop_U, LONGEST)


def asked_facts(events: Events) -> Windows:
    """A fact of every head to be completed: the last that it has, with N for the tail; none where it has none."""
    start_U, stop_U = events.start_UP[:, Phase.TRAIN], events.start_UP[:, -1]
    last_U = torch.maximum(start_U, stop_U - 1)
    return unanswered(take_windows(events, torch.arange(events.n_users), last_U, stop_U, 1), events.n_items)


def some(windows: Windows, chosen: list[int]) -> Windows:
    """Some of the windows, as wide as they must be."""
    width = max(1, int(windows.length_B[chosen].max()))
    return _mapped(windows, lambda tensor: tensor[chosen] if tensor.ndim == 1 else tensor[chosen, :width])


def turned(windows: Windows) -> Windows:
    """The windows with their rows in the opposite order."""
    width = windows.valid_BT.shape[1]
    place_BT = windows.length_B.unsqueeze(1) - 1 - torch.arange(width)
    place_BT = torch.where(windows.valid_BT, place_BT, torch.arange(width))
    return _mapped(windows, lambda tensor: tensor if tensor.ndim == 1 else tensor.gather(1, place_BT))


def with_other_padding(windows: Windows) -> Windows:
    """The windows with other items, values and times at padded places."""
    padded_BT = ~windows.valid_BT
    return replace(
        windows,
        item_BT=torch.where(padded_BT, (windows.item_BT + 3) % 10, windows.item_BT),
        value_BT=torch.where(padded_BT, 1e3, windows.value_BT),
        time_BT=torch.where(padded_BT, windows.time_BT + 10**9, windows.time_BT),
    )


def without_any(windows: Windows) -> Windows:
    """Windows of the same size that hold no row."""
    none_BT = torch.zeros_like(windows.valid_BT)
    return replace(windows, valid_BT=none_BT, labelled_BT=None if windows.labelled_BT is None else none_BT)


def on(windows: Windows, device: str) -> Windows:
    """The windows on a device."""
    return _mapped(windows, lambda tensor: tensor.to(device))


def _mapped(windows: Windows, change: Callable[[Tensor], Tensor]) -> Windows:
    tensors = {name: change(value) for name, value in vars(windows).items() if isinstance(value, Tensor)}
    return replace(windows, **tensors, columns={name: change(value) for name, value in windows.columns.items()})
