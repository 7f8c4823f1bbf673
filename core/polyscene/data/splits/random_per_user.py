"""Random per user: a share of each user's items for validation and the test."""

from __future__ import annotations

import numpy as np

from polyscene.data.hashing import id_hashes, mixed
from polyscene.data.ordering import group_by_user
from polyscene.data.phases import Phase
from polyscene.data.splits.base import FractionConfig, Splitter
from polyscene.data.tables import Tables


class RandomPerUser(Splitter):
    """For data without times. Rows that repeat a user's item stay together, so no pair is both learned and tested.

    The order of a user's items is a hash of user id, item id and seed: shuffling the rows of the file changes
    nothing. Shares are rounded per user, and every user keeps at least one item for training.
    """

    name = "random_per_user"
    ordered = False
    config: FractionConfig

    def assign(self, tables: Tables, phase_R: np.ndarray) -> None:
        user_hash_U = id_hashes(tables.user_ids, self.config.seed, "user of a pair")
        item_hash_N = id_hashes(tables.item_ids, self.config.seed, "item of a pair")
        grouped = group_by_user(tables.user_R, len(tables.users))
        for part, all_user_B in grouped.parts():
            row_B = grouped.row_R[part]
            warm_B = phase_R[row_B] == Phase.TRAIN
            row_B, user_B = row_B[warm_B], all_user_B[warm_B]
            if not len(row_B):
                continue
            key_B = mixed(user_hash_U[user_B] ^ item_hash_N[tables.item_R[row_B]])
            order_B = np.lexsort([key_B, user_B])
            row_B, user_B, key_B = row_B[order_B], user_B[order_B], key_B[order_B]
            phase_R[row_B] = self._phases(user_B, key_B)

    def _phases(self, user_B: np.ndarray, key_B: np.ndarray) -> np.ndarray:
        """The phase of each row; rows come sorted by user and key, and equal keys are one pair."""
        new_user_B = np.append(True, user_B[1:] != user_B[:-1])
        new_pair_B = new_user_B | np.append(True, key_B[1:] != key_B[:-1])
        pair_B = np.cumsum(new_pair_B) - 1
        user_index_B = np.cumsum(new_user_B) - 1
        first_pair_U = pair_B[new_user_B]
        pairs_U = np.diff(np.append(first_pair_U, pair_B[-1] + 1))
        rank_B = pair_B - first_pair_U[user_index_B]
        test_U = np.minimum(np.floor(pairs_U * self.config.test + 0.5), pairs_U - 1)
        validation_U = np.minimum(np.floor(pairs_U * self.config.validation + 0.5), pairs_U - 1 - test_U)
        is_test_B = rank_B < test_U[user_index_B]
        is_held_B = rank_B < (test_U + validation_U)[user_index_B]
        return np.where(is_test_B, Phase.TEST, np.where(is_held_B, Phase.VALIDATION, Phase.TRAIN)).astype(np.int8)
