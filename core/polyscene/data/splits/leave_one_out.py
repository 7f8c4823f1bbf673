"""Leave one out in time: each user's last interaction is the test, the last but one the validation."""

from __future__ import annotations

import numpy as np

from polyscene.data.ordering import group_by_user
from polyscene.data.phases import Phase
from polyscene.data.splits.base import SplitConfig, Splitter
from polyscene.data.tables import Tables

_FEWEST = 3  # below this a user would have nothing to learn from


class LeaveOneOut(Splitter):
    """Interactions of the same second keep the order of the file. Users with fewer than three only train.

    The time of one user's test may lie before another user's training rows, so statistics over all users (such as
    recent popularity) see a future that a live system would not; ``global_time`` has no such leak.
    """

    name = "leave_one_out"
    config: SplitConfig

    def assign(self, tables: Tables, phase_R: np.ndarray) -> None:
        time_R = self.times(tables)
        grouped = group_by_user(tables.user_R, len(tables.users))
        for part, all_user_B in grouped.parts():
            row_B = grouped.row_R[part]
            warm_B = phase_R[row_B] == Phase.TRAIN
            row_B, user_B = row_B[warm_B], all_user_B[warm_B]
            row_B = row_B[np.lexsort([time_R[row_B], user_B])]
            last_B = np.flatnonzero(np.append(user_B[1:] != user_B[:-1], True)) if len(user_B) else user_B
            length_B = np.diff(last_B, prepend=-1)
            last_B = last_B[length_B >= _FEWEST]
            phase_R[row_B[last_B]] = Phase.TEST
            phase_R[row_B[last_B - 1]] = Phase.VALIDATION
