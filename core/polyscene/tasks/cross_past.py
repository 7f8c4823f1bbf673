"""Which rows a cross-encoder judges, and what came before each of them."""

from __future__ import annotations

import numpy as np

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.features.filling import Pairs

_JUDGED = (Phase.TRAIN, Phase.VALIDATION, Phase.TEST)


def judged_rows(events: Events) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(user, row, stop)`` of the rows that are learned from, validated on or tested, each int64 ``[M]``.

    The past of a row are its user's rows below ``stop``: for training rows those before it, and none that happened
    at the same time where such rows happen at once; for others those before their phase, as everybody sees them.
    """
    start_UP = events.start_UP.cpu().numpy()
    found = []
    for phase in _JUDGED:
        user_M, row_M = events.rows([phase], context=phase is not Phase.TRAIN)
        stop_M = row_M if phase is Phase.TRAIN else start_UP[user_M, phase]
        found.append((user_M, row_M, stop_M))
    user_M, row_M, stop_M = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if events.together:
        stop_M = np.minimum(stop_M, _first_together(events)[row_M])
    return user_M, row_M, stop_M


def pairs_before(
    events: Events, user_M: np.ndarray, item_M: np.ndarray, stop_M: np.ndarray, *, threshold: float, most: int
) -> Pairs:
    """Users and items with the newest ``most`` rows of the user below ``stop``, liked if above the threshold."""
    start_M = events.start_UP[:, 0].cpu().numpy()[user_M]
    row_MH = stop_M[:, None] - 1 - np.arange(most)
    known_MH = row_MH >= start_M[:, None]
    row_MH = np.where(known_MH, row_MH, 0)
    item_R, value_R = events.item_R.cpu().numpy(), events.value_R.cpu().numpy()
    if not len(item_R):
        return Pairs(user_M, item_M, row_MH, known_MH, known_MH)
    return Pairs(user_M, item_M, item_R[row_MH].astype(np.int64), value_R[row_MH] > threshold, known_MH)


def _first_together(events: Events) -> np.ndarray:
    """For each row, the first row of its user and phase that happened at the same time."""
    user_R, phase_R = np.empty(len(events.item_R), dtype=np.int64), np.empty(len(events.item_R), dtype=np.int64)
    for phase in Phase:
        user_M, row_M = events.rows([phase], context=True)
        user_R[row_M], phase_R[row_M] = user_M, phase
    key_3R = np.stack([user_R, phase_R, events.time_R.cpu().numpy()])
    begins_R = np.ones(key_3R.shape[1], dtype=bool)
    begins_R[1:] = (key_3R[:, 1:] != key_3R[:, :-1]).any(axis=0)
    return np.maximum.accumulate(np.where(begins_R, np.arange(len(begins_R)), 0))
