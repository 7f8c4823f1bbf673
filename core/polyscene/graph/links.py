"""Do the links between items and entities sit on the right items?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from polyscene.errors import DataError
from polyscene.graph.store import KnowledgeGraph

MISALIGNED_BELOW = 1.2
"""Agreement that right links exceed: ml-1m films reach 1.65, Last.fm artists 3.2, shuffled links 1.0."""
DEVIATIONS = 3.0
"""And by so many standard deviations of shuffled links they exceed chance, where there are few of them."""


@dataclass(frozen=True)
class LinkCheck:
    """How well linked entities agree with what the items' own table says.

    Args:
        linked: number of items whose entity is in the graph.
        unknown: number of items whose entity is not.
        agreement: mean tag similarity of items whose entities share a neighbor, over that of any two linked
            items: about 1 where links are as good as random, NaN where it cannot be measured.
        random: mean and standard deviation of the agreement with links shuffled.
    """

    linked: int
    agreement: float
    random: tuple[float, float]
    unknown: int = 0

    @property
    def misaligned(self) -> bool:
        """Whether the links agree hardly better than chance."""
        mean, deviation = self.random
        return bool(self.agreement < max(MISALIGNED_BELOW, mean + DEVIATIONS * deviation))

    def __str__(self) -> str:
        unknown = f", {self.unknown:,} to entities that the graph does not know" if self.unknown else ""
        if np.isnan(self.agreement):
            return f"{self.linked:,} items linked{unknown}; agreement with the items' tags could not be measured"
        verdict = "links fit"
        if self.misaligned:
            verdict = (
                "WARNING: they agree hardly better than chance, every entity may sit on a wrong item (misaligned)"
            )
        return (
            f"{self.linked:,} items linked{unknown}; items whose entities share a neighbor are "
            f"{self.agreement:.2f} times as alike in their tags as any two (shuffled links: "
            f"{self.random[0]:.2f} ± {self.random[1]:.2f}); {verdict}"
        )


def check_links(
    graph: KnowledgeGraph,
    entities: Sequence[str],
    tags: Sequence[Iterable[str]],
    *,
    shuffles: int = 5,
    seed: int = 0,
) -> LinkCheck:
    """Measure whether entities that the graph brings together belong to items with like tags.

    Ids of two sources can both be plain numbers and yet mean different items; such links load without an
    error and put every fact on a wrong item. This finds it without any names in the graph.

    Args:
        entities: the linked entity of each item.
        tags: the labels (genres, departments) of each item, in the same order.
        shuffles: how many random links the result is set beside.

    Raises:
        DataError: the graph knows none of the entities.
    """
    at_hand = [row for row, entity in enumerate(entities) if entity in graph]
    if len(entities) and not at_hand:
        raise DataError(
            f"none of {len(entities):,} linked entities is in the graph, such as '{entities[0]}'",
            where="links",
            fix=f"its entities are like '{next(iter(graph.entities), '')}': bring the links of this graph",
        )
    neighbors = [{n.entity for n in graph.neighbors(entities[row])} for row in at_hand]
    shared_NN = _similarity(neighbors)
    alike_NN = _similarity([set(tags[row]) for row in at_hand])
    generator = np.random.default_rng(seed)
    shuffled = [_lift(shared_NN, alike_NN, generator.permutation(len(at_hand))) for _ in range(shuffles)]
    return LinkCheck(
        linked=len(at_hand),
        agreement=_lift(shared_NN, alike_NN, np.arange(len(at_hand))),
        random=(float(np.mean(shuffled)), float(np.std(shuffled))),
        unknown=len(entities) - len(at_hand),
    )


def _similarity(labels: Sequence[set[str]]) -> np.ndarray:
    """Cosine ``[N, N]`` of label sets, rare labels weighing more (idf), 0 on the diagonal."""
    rows = np.repeat(np.arange(len(labels)), [len(row) for row in labels])
    codes, names = pd.factorize(np.array([label for row in labels for label in sorted(row)], dtype=object))
    shape = (len(labels), max(len(names), 1))
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, codes)), shape=shape)
    frequency = np.bincount(codes, minlength=shape[1])
    matrix.data = np.log(len(labels) / frequency[matrix.indices])
    norm = np.sqrt(np.bincount(rows, weights=matrix.data**2, minlength=len(labels)))
    matrix.data /= np.where(norm > 0, norm, 1)[rows]
    similarity = sparse.csr_matrix(matrix @ matrix.T).toarray()
    np.fill_diagonal(similarity, 0)
    return similarity


def _lift(shared_NN: np.ndarray, alike_NN: np.ndarray, order: np.ndarray) -> float:
    """Mean of ``alike`` weighted by ``shared`` over its plain mean, with the links permuted by ``order``."""
    weight, mean = shared_NN.sum(), alike_NN.sum() / max(len(order) * (len(order) - 1), 1)
    if weight == 0 or mean == 0:
        return float("nan")
    return float((shared_NN * alike_NN[np.ix_(order, order)]).sum() / weight / mean)
