"""implicit's ALS and item-kNN, at the library's defaults but for neighbors and threads.

Takes the file of rows: ``user`` and ``item`` of each, and each user's ``target``.
"""

# The peer is installed in its own environment only.
# pyright: reportMissingImports=false

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from measures import ndcg
from scipy import sparse
from turns import answer


class Implicit:
    """Both models over the same rows."""

    def __init__(self, path: str, neighbors: str) -> None:
        file = np.load(path)
        user, item, self.target = (file[name] for name in ("user", "item", "target"))
        ones = np.ones(len(user), dtype=np.float32)
        self.matrix = sparse.csr_matrix((ones, (user, item)))
        self.neighbors, self.model = int(neighbors), None

    def fit(self, method: str) -> dict[str, float]:
        started = time.process_time()
        if method == "als":
            self.model: Any = AlternatingLeastSquares(num_threads=1, random_state=0)
        else:
            self.model = CosineRecommender(K=self.neighbors, num_threads=1)
        self.model.fit(self.matrix, show_progress=False)
        return {"seconds": time.process_time() - started}

    def recommend(self, top: int) -> dict[str, float]:
        """The best films of every user, seen ones left out."""
        started = time.process_time()
        users = np.arange(len(self.target))
        top_BK, _ = self.model.recommend(users, self.matrix[users], N=top)
        return {"seconds": time.process_time() - started, "ndcg": ndcg(top_BK, self.target)}


if __name__ == "__main__":
    peer = Implicit(*sys.argv[1:])
    answer({"fit": peer.fit, "recommend": peer.recommend})
