"""The knowledge graph: facts on a networkx MultiDiGraph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import networkx as nx
import numpy as np
import pandas as pd

from polyscene.errors import DataError

COLUMNS = ("head", "relation", "tail")


class Neighbor(NamedTuple):
    """An entity one fact away: ``forward`` where the fact reads (asked entity, relation, entity)."""

    relation: str
    entity: str
    forward: bool


class KnowledgeGraph:
    """Entities as nodes, each fact an edge from head to tail whose key is the relation.

    ``graph`` is an ordinary :class:`networkx.MultiDiGraph`, so everything networkx can do is at hand. Equal facts
    are one edge.

    Example:
        >>> facts = pd.DataFrame({"head": ["Alien"], "relation": ["genre"], "tail": ["horror"]})
        >>> KnowledgeGraph.from_facts(facts).neighbors("horror")
        [Neighbor(relation='genre', entity='Alien', forward=False)]
    """

    def __init__(self, graph: nx.MultiDiGraph) -> None:
        self.graph = graph

    @classmethod
    def from_facts(cls, facts: pd.DataFrame) -> KnowledgeGraph:
        """Build the graph from a frame with the string columns ``head``, ``relation`` and ``tail``.

        Raises:
            DataError: a column is missing or holds empty cells.
        """
        missing = [name for name in COLUMNS if name not in facts.columns]
        if missing:
            raise DataError(
                f"facts lack the column {', '.join(missing)}; found {', '.join(map(str, facts.columns))}",
                fix=f"name the columns {', '.join(COLUMNS)}",
            )
        empty = facts[list(COLUMNS)].isna().to_numpy().any(axis=1)
        if empty.any():
            raise DataError(
                f"{empty.sum()} facts have an empty {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}, "
                f"the first in row {empty.argmax()}",
                fix="drop these rows or fill them in",
            )
        graph = nx.MultiDiGraph()
        heads, relations, tails = (facts[name].astype(str).tolist() for name in COLUMNS)
        graph.add_edges_from(zip(heads, tails, relations, strict=True))
        return cls(graph)

    def facts(self) -> pd.DataFrame:
        """All facts as a frame, in the order in which they were added per head."""
        rows = [(head, relation, tail) for head, tail, relation in self.graph.edges(keys=True)]
        return pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")

    def __contains__(self, entity: str) -> bool:
        return entity in self.graph

    def __len__(self) -> int:
        return self.graph.number_of_edges()

    @property
    def entities(self) -> list[str]:
        """Every head and tail, in order of first appearance."""
        return list(self.graph)

    def relations(self) -> dict[str, int]:
        """Number of facts of each relation, most frequent first."""
        counts: dict[str, int] = {}
        for _, _, relation in self.graph.edges(keys=True):
            counts[relation] = counts.get(relation, 0) + 1
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

    def degree(self, entity: str) -> int:
        """Number of facts that name the entity, 0 where none does."""
        return self.graph.degree(entity) if entity in self.graph else 0

    def neighbors(self, entity: str) -> list[Neighbor]:
        """Entities that share a fact with ``entity``: its facts first, then those in which it is the tail.

        An entity that no fact names has none. A neighbor appears once for every fact.
        """
        return list(self._neighbors(entity)) if entity in self.graph else []

    def _neighbors(self, entity: str) -> Iterator[Neighbor]:
        for _, tail, relation in self.graph.out_edges(entity, keys=True):
            yield Neighbor(relation, tail, forward=True)
        for head, _, relation in self.graph.in_edges(entity, keys=True):
            yield Neighbor(relation, head, forward=False)

    def inverse_relations(self, threshold: float = 0.9) -> dict[str, str]:
        """Relations that say the same in the other direction: ``{relation: its inverse}``, both ways round.

        Two relations are inverse where at least the share ``threshold`` of the facts of each occurs reversed
        in the other; a relation may be its own inverse. A test fact whose inverse is trained on is no test.
        """
        return inverse_relations(self.facts(), threshold)


def inverse_relations(facts: pd.DataFrame, threshold: float = 0.9) -> dict[str, str]:
    """:meth:`KnowledgeGraph.inverse_relations` on a frame of facts."""
    entity, _ = pd.factorize(pd.concat([facts["head"], facts["tail"]], ignore_index=True))
    relation, names = pd.factorize(facts["relation"])
    head, tail = entity[: len(facts)].astype(np.int64), entity[len(facts) :].astype(np.int64)
    size = int(entity.max(initial=0)) + 1
    pairs = [np.unique(head[relation == r] * size + tail[relation == r]) for r in range(len(names))]
    inverse: dict[str, str] = {}
    for r in range(len(names)):
        reversed_pairs = (pairs[r] % size) * size + pairs[r] // size
        shared = [len(np.intersect1d(reversed_pairs, other, assume_unique=True)) for other in pairs]
        share = [count / max(len(pairs[r]), len(other)) for count, other in zip(shared, pairs, strict=True)]
        best = int(np.argmax(share))
        if share[best] >= threshold:
            inverse[str(names[r])] = str(names[best])
    return inverse
