"""Approximate search: only the items near a query are scored."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

from polyscene.errors import ConfigError
from polyscene.retrieval.best import Best, Wanted, in_order
from polyscene.retrieval.exact import Exact
from polyscene.retrieval.order import comparable

# A list for every so many items of the square root: twice that many lists were learned from the rows below in
# 3 s, and found more of the best 100 of 10^6 items in the same time than half as many.
_LISTS_PER_ROOT = 2
_ROWS_PER_LIST, _ROUNDS = 40, 10


class Approximate:
    """Faiss' inverted lists over the keys with the bias as one more entry.

    K-means divides the items into lists, and those lists are scored whose centers say most to a query. What is
    scored is scored exactly and put in the order of a full ranking; an item is missed when its list was not read.
    Where candidates are given, or lists hold too few items for a request, it is answered exactly.

    Args:
        exact: the same catalogue, for all that the lists cannot answer.
        probes: number of lists that are read for a query.

    Raises:
        ConfigError: faiss is not installed.
    """

    def __init__(self, exact: Exact, probes: int) -> None:
        self.exact, faiss = exact, _faiss()
        faiss.omp_set_num_threads(torch.get_num_threads())
        key_Nf = torch.cat([exact.key_eN, exact.bias_N.unsqueeze(0)]).T.contiguous().numpy()
        lists = max(1, min(int(_LISTS_PER_ROOT * len(key_Nf) ** 0.5), len(key_Nf) // _ROWS_PER_LIST))
        self.index: Any = faiss.index_factory(key_Nf.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
        self.index.cp.niter, self.index.cp.max_points_per_centroid = _ROUNDS, _ROWS_PER_LIST
        self.index.train(key_Nf)
        self.index.add(key_Nf)
        self.index.nprobe = min(probes, lists)

    def search(self, query_Be: Tensor, wanted: Wanted) -> Best:
        """The best items of the lists that were read, in the order of a full ranking."""
        if wanted.candidates_N is not None:
            return self.exact.search(query_Be, wanted)
        n_rows, n_items = len(query_Be), self.exact.n_items
        out_B = torch.zeros(n_rows, dtype=torch.int64)
        if wanted.masked is not None:
            out_B = torch.bincount(wanted.masked.row_M, minlength=n_rows)
        asked = min(n_items, wanted.count + int(out_B.max()) if n_rows else 0)
        query_Bf = torch.cat([query_Be.float(), query_Be.new_ones(n_rows, 1)], dim=1)
        found = self.index.search(query_Bf.numpy(), max(1, asked))
        score_BM, item_BM = comparable(torch.from_numpy(found[0])), torch.from_numpy(found[1])
        lacking_BM = item_BM < 0
        if wanted.masked is not None:
            cell_M = wanted.masked.row_M * n_items + wanted.masked.item_M
            lacking_BM = lacking_BM | torch.isin(torch.arange(n_rows).unsqueeze(1) * n_items + item_BM, cell_M)
        score_BM = score_BM.masked_fill(lacking_BM, -torch.inf)
        best = in_order(score_BM, item_BM.clamp(min=0), wanted, self.exact.code_N)
        short_R = (best.item_BK[:, -1] < 0).nonzero().squeeze(1)
        if len(short_R):
            whole = self.exact.search(query_Be[short_R], wanted.rows(short_R))
            best.item_BK[short_R], best.score_BK[short_R] = whole.item_BK, whole.score_BK
        return best

    def scores(self, query_Be: Tensor) -> Tensor:
        """Scores ``[B, N]`` of all items."""
        return self.exact.scores(query_Be)


def _faiss() -> Any:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        raise ConfigError(
            "an approximate index needs a package that is not installed",
            where="approximate_above",
            fix='pip install -c constraints.txt -e ".[ann]" (or "polyscene[ann]"), or write approximate_above: 0',
        ) from None
