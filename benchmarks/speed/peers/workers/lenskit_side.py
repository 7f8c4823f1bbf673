"""LensKit's ALS and item-kNN, at the library's defaults but for neighbors and feedback.

Takes the file of rows: ``user`` and ``item`` of each, and each user's ``target``.
"""

# The peer is installed in its own environment only.
# pyright: reportMissingImports=false

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import pandas as pd
from lenskit import batch
from lenskit.als import ImplicitMFScorer
from lenskit.data import from_interactions_df
from lenskit.knn import ItemKNNScorer
from lenskit.parallel import initialize
from lenskit.pipeline import topn_pipeline
from measures import ndcg
from turns import answer


class LensKit:
    """Both models over the same rows."""

    def __init__(self, path: str, neighbors: str) -> None:
        initialize(processes=1, threads=1, backend_threads=1, child_threads=1)
        file = np.load(path)
        user, item, self.target = (file[name] for name in ("user", "item", "target"))
        self.rows = from_interactions_df(pd.DataFrame({"user_id": user, "item_id": item}))
        self.neighbors, self.pipeline = int(neighbors), None

    def fit(self, method: str) -> dict[str, float]:
        kept = self.neighbors
        scorer = (
            ImplicitMFScorer()
            if method == "als"
            else ItemKNNScorer(max_nbrs=kept, save_nbrs=kept, feedback="implicit")
        )
        self.pipeline: Any = topn_pipeline(scorer)
        started = time.process_time()
        self.pipeline.train(self.rows)
        return {"seconds": time.process_time() - started}

    def recommend(self, top: int) -> dict[str, float]:
        """The best films of every user, seen ones left out."""
        started = time.process_time()
        found = batch.recommend(self.pipeline, range(len(self.target)), top, n_jobs=1)
        seconds = time.process_time() - started
        top_BK = np.full((len(self.target), top), -1)
        for key, items in found.items():
            top_BK[key.user_id, : len(items)] = items.ids()
        return {"seconds": seconds, "ndcg": ndcg(top_BK, self.target)}


if __name__ == "__main__":
    peer = LensKit(*sys.argv[1:])
    answer({"fit": peer.fit, "recommend": peer.recommend})
