"""Seconds from a request to a list of 100 items, in process: exact, approximate, and for a trained model.

Catalogues of generated vectors (width 64, a thousand clusters, a bias for each item) are searched for one user and
for 256 users of four scenarios, each with a catalogue of that size. Exact search for one user takes turns with a
matrix-vector product of the same size; their ratio is that of the medians of a round. An approximate index is also
asked how many of the exact 100 it finds. The trained model answers from user ids to lists, sequence model
included, without priors and with them (``retrieval_model.py``).

    python -m benchmarks.speed.retrieval                       # 4 minutes on two quiet cores
    python -m benchmarks.speed.retrieval --sizes 10000 --rounds 3 --steps 20
"""

from __future__ import annotations

import argparse
import time
from itertools import cycle

import torch
from torch import Tensor

from benchmarks.speed.figures import Figures
from benchmarks.speed.latency import add_percentiles, in_turns, ratios
from benchmarks.speed.retrieval_model import measure_model
from polyscene.retrieval import Best, RetrievalConfig
from polyscene.retrieval.approximate import Approximate
from polyscene.retrieval.best import Wanted
from polyscene.retrieval.exact import Exact
from polyscene.retrieval.index import Index
from polyscene.training.memory import keep_freed_memory

SIZES, WIDTH, K, USERS, SCENARIOS, QUERIES = (10_000, 100_000, 1_000_000), 64, 100, 256, 4, 128
PRODUCT, EXACT, APPROXIMATE = "matrix-vector product, one user", "exact, one user", "approximate, one user"


def main() -> None:
    """Measure, print and write ``results/retrieval.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES), help="items; nothing is written then")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of measurements (7)")
    parser.add_argument("--steps", type=int, default=100, help="training steps of the real model (100)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    figures = Figures("retrieval", "python -m benchmarks.speed.retrieval")
    with torch.inference_mode():
        for size in given.sizes:
            measure_size(figures, size, given.rounds)
    measure_model(figures, K, USERS, given.rounds, given.steps)
    figures.finish(whole=tuple(given.sizes) == SIZES)


def measure_size(figures: Figures, size: int, rounds: int) -> None:
    """Catalogues of a size: one user and many, exact and approximate."""
    place = f"generated vectors of width {WIDTH}, k = {K}, one thread", f"{size:,} items"
    catalogues = [vectors(size, seed) for seed in range(SCENARIOS)]
    indexes = [Exact(key_Nd, bias_N) for key_Nd, bias_N, _ in catalogues]
    (key_Nd, _, query_Qd), exact = catalogues[0], indexes[0]
    started = time.process_time()
    approximate = Approximate(exact, RetrievalConfig().probes)
    figures.add(*place, APPROXIMATE, "processor seconds to build", [time.process_time() - started])
    user = cycle(range(QUERIES))
    sides = {
        PRODUCT: lambda: torch.mv(key_Nd, query_Qd[next(user)]),
        EXACT: lambda: lists(exact, query_Qd, [next(user)]),
        APPROXIMATE: lambda: lists(approximate, query_Qd, [next(user)]),
    }
    times = in_turns(sides, rounds, max(20, min(200, 20_000_000 // size)))
    for side, times_RM in times.items():
        add_percentiles(figures, *place, side, times_RM)
    figures.add(*place, EXACT, "times a product", ratios(times[EXACT], times[PRODUCT]))
    found, true = (lists(index, query_Qd, list(range(QUERIES))).item_BK for index in (approximate, exact))
    figures.add(*place, APPROXIMATE, f"recall@{K}", recall(found, true).tolist())
    side = f"exact, {USERS} users of {SCENARIOS} scenarios"
    some = list(range(USERS // SCENARIOS))

    def everybody() -> list[Best]:
        asked = zip(indexes, catalogues, strict=True)
        return [lists(index, queries_Qd, some) for index, (_, _, queries_Qd) in asked]

    add_percentiles(figures, *place, side, in_turns({side: everybody}, rounds, 1)[side])


def vectors(size: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Keys ``[N, d]``, biases ``[N]`` and queries ``[Q, d]``, each near the items of some cluster."""
    generator = torch.Generator().manual_seed(seed)
    center_Cd = torch.randn(1000, WIDTH, generator=generator)
    key_Nd = center_Cd[torch.randint(1000, (size,), generator=generator)]
    key_Nd = key_Nd + 0.7 * torch.randn(size, WIDTH, generator=generator)
    bias_N = torch.randn(size, generator=generator)
    query_Qd = center_Cd[torch.randint(1000, (QUERIES,), generator=generator)]
    return key_Nd, bias_N, query_Qd + 0.5 * torch.randn(QUERIES, WIDTH, generator=generator)


def lists(index: Index, query_Qd: Tensor, users: list[int]) -> Best:
    """The lists of some users."""
    user_B = torch.tensor(users)
    return index.search(query_Qd[user_B], Wanted(K, user_B))


def recall(found_BK: Tensor, true_BK: Tensor) -> Tensor:
    """The share ``[B]`` of the true items that were found."""
    return (found_BK.unsqueeze(2) == true_BK.unsqueeze(1)).any(dim=1).float().mean(dim=1)


if __name__ == "__main__":
    main()
