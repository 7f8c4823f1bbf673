"""Shots: a few labelled rows of a scenario, drawn at random; all its other rows are context at most."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.splits.base import Split
from polyscene.data.windows import Windows, take_windows, windows_of_rows
from polyscene.errors import DataError

_PURPOSE = 0x5407  # keeps draws apart from other uses of the same small seeds


def draw_shots(split: Split, count: int, draw: int, *, where: str = "shots") -> np.ndarray:
    """bool per interaction: ``count`` training rows drawn at random, without replacement.

    The shots of one draw are nested: 64 of them hold the 16. So two points of a curve over shots differ by rows
    that were added, never by rows that were exchanged.

    Args:
        split: the phase of every interaction.
        count: number of shots, 0 or more.
        draw: number of the draw.
        where: the place in the config, for messages.

    Raises:
        DataError: there are fewer training rows.
    """
    row = np.flatnonzero(split.phase_R == Phase.TRAIN)
    if count > len(row):
        raise DataError(
            f"{count:,} shots are asked for, and there are {len(row):,} training rows",
            where=where,
            fix=f"ask for {len(row):,} or fewer, or for all of them (shots=all)",
        )
    shots_R = np.zeros(len(split.phase_R), dtype=bool)
    shots_R[np.random.default_rng([_PURPOSE, draw]).permutation(row)[:count]] = True
    return shots_R


def with_shots(split: Split, shots_R: np.ndarray) -> Split:
    """The split as statistics may see it: training rows are the shots, the others are merely known."""
    phase_R = split.phase_R.copy()
    phase_R[(phase_R == Phase.TRAIN) & ~shots_R] = Phase.KNOWN
    described = f"{split.description}, {np.count_nonzero(shots_R):,} shots"
    return replace(split, phase_R=phase_R, description=described)


class ShotSampler:
    """Windows that end with a shot: the only step that is learned from, after what the user did before.

    Where the order of rows means nothing, what stands before the shot is any other training rows of the user.

    Args:
        events: events with shots, on the device of training.
        length: window width T.
    """

    def __init__(self, events: Events, length: int) -> None:
        self.events, self.length = events, length
        user, row = events.rows([Phase.TRAIN])
        self.user_S, self.row_S = (torch.from_numpy(array).to(events.item_R.device) for array in (user, row))
        self.n_rows = len(row)

    def draw(self, count: int, generator: torch.Generator, first: int = 0) -> Windows:
        """``count`` windows: all shots, each as often as the others or once more."""
        shots = len(self.row_S)
        device = self.row_S.device
        rounds = [torch.randperm(shots, generator=generator, device=device) for _ in range(-(-count // shots))]
        return self.windows(torch.cat(rounds)[:count])

    def windows(self, shot_B: Tensor) -> Windows:
        """The windows of some shots, int64 ``[B]``: numbers from 0 to S - 1."""
        user_B, row_B = self.user_S[shot_B], self.row_S[shot_B]
        start_B = self.events.start_UP[user_B, Phase.TRAIN]
        stop_B = row_B + 1
        if not self.events.ordered:
            # As many of the user's rows as fit, with the shot anywhere among them.
            last_B = self.events.start_UP[user_B, Phase.TRAIN + 1]
            stop_B = torch.minimum(last_B, torch.maximum(row_B + 1 + self.length // 2, start_B + self.length))
        first_B = torch.maximum(start_B, stop_B - self.length)
        windows = take_windows(self.events, user_B, first_B, stop_B, self.length)
        windows = _shot_last(self.events, windows, row_B)
        return replace(windows, labelled_BT=windows.row_BT.eq(row_B.unsqueeze(1)) & windows.valid_BT)


def _shot_last(events: Events, windows: Windows, row_B: Tensor) -> Windows:
    """The same rows with the shot at the last valid place, so that the others come before it."""
    if events.ordered:
        return windows
    # Rows in their order, then the shot, then what fills the window up.
    rank_BT = windows.row_BT.eq(row_B.unsqueeze(1)).long().masked_fill(~windows.valid_BT, 2)
    order_BT = rank_BT.argsort(dim=1, stable=True)
    return windows_of_rows(events, windows.user_B, windows.row_BT.gather(1, order_BT), windows.valid_BT)
