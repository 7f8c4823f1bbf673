"""How good recommendations are, in workers that have NumPy."""

from __future__ import annotations

import numpy as np


def ndcg(top_BK: np.ndarray, target_B: np.ndarray) -> float:
    """Mean NDCG of recommended items against the one item that each user took."""
    place_BK = np.arange(2, top_BK.shape[1] + 2)
    return float(((top_BK == target_B[:, None]) / np.log2(place_BK)).sum(1).mean())
