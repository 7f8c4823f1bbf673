"""The knowledge graph: facts in order, found by either end."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from polyscene.errors import DataError

if TYPE_CHECKING:
    import networkx as nx

COLUMNS = ("head", "relation", "tail")


class Neighbor(NamedTuple):
    """An entity one fact away: ``forward`` where the fact reads (asked entity, relation, entity)."""

    relation: str
    entity: str
    forward: bool


class _Side(NamedTuple):
    """Facts in the order of their head (or tail): where those of each begin, and what the other end is."""

    starts: list[int]
    relations: list[str]
    others: list[str]

    def facts_of(self, place: int) -> Iterator[tuple[str, str]]:
        """Relation and other end of the facts of one entity."""
        own = slice(self.starts[place], self.starts[place + 1])
        return zip(self.relations[own], self.others[own], strict=True)


class KnowledgeGraph:
    """Entities and the facts that join them; equal facts are one.

    Example:
        >>> facts = pd.DataFrame({"head": ["Alien"], "relation": ["genre"], "tail": ["horror"]})
        >>> KnowledgeGraph.from_facts(facts).neighbors("horror")
        [Neighbor(relation='genre', entity='Alien', forward=False)]
    """

    def __init__(self, head_F: np.ndarray, relation_F: np.ndarray, tail_F: np.ndarray) -> None:
        """Facts as three arrays of str objects; :meth:`from_facts` checks them."""
        ends = np.stack([head_F, tail_F], axis=1).reshape(-1)
        end_code, self._names = pd.factorize(ends)
        relation_code, self._relations = pd.factorize(relation_F)
        end_F2, size = end_code.astype(np.int64).reshape(-1, 2), len(self._names)
        # Numbered in the order in which pairs of entities are first met: a pair's facts stand together.
        pair_F, _ = pd.factorize(end_F2[:, 0] * size + end_F2[:, 1])
        _, first = np.unique(pair_F * max(len(self._relations), 1) + relation_code, return_index=True)
        kept = np.sort(first)
        self._relation_F, end_F2, pair_F = relation_code[kept], end_F2[kept], pair_F[kept]
        by_head, by_tail = (np.lexsort((pair_F, end_F2[:, side])) for side in (0, 1))
        self._head_F, self._tail_F = end_F2[by_head].T
        self._sides = tuple(
            _Side(
                np.concatenate([[0], np.cumsum(np.bincount(end_F2[:, side], minlength=size))]).tolist(),
                self._relations[self._relation_F[order]].tolist(),
                self._names[end_F2[order, 1 - side]].tolist(),
            )
            for side, order in ((0, by_head), (1, by_tail))
        )
        self._relation_F = self._relation_F[by_head]
        self._degrees = np.bincount(end_F2.reshape(-1), minlength=size).tolist()
        self._position = {name: place for place, name in enumerate(self._names)}

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
        return cls(*(facts[name].astype(str).to_numpy(dtype=object) for name in COLUMNS))

    @cached_property
    def graph(self) -> nx.MultiDiGraph:
        """The facts as an ordinary networkx graph, each an edge from head to tail whose key is the relation."""
        import networkx as nx

        graph = nx.MultiDiGraph()
        facts = self.facts()
        graph.add_nodes_from(self.entities)
        graph.add_edges_from(zip(facts["head"], facts["tail"], facts["relation"], strict=True))
        return graph

    def facts(self) -> pd.DataFrame:
        """All facts as a frame, in the order in which they were added per head."""
        columns = self._names[self._head_F], self._relations[self._relation_F], self._names[self._tail_F]
        return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), dtype="str")

    def __contains__(self, entity: str) -> bool:
        return entity in self._position

    def __len__(self) -> int:
        return len(self._relation_F)

    @property
    def entities(self) -> list[str]:
        """Every head and tail, in order of first appearance."""
        return self._names.tolist()

    def relations(self) -> dict[str, int]:
        """Number of facts of each relation, most frequent first."""
        counts = dict(zip(self._relations.tolist(), np.bincount(self._relation_F).tolist(), strict=True))
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

    def degree(self, entity: str) -> int:
        """Number of facts that name the entity, 0 where none does; one about itself counts twice."""
        place = self._position.get(entity)
        return 0 if place is None else self._degrees[place]

    def neighbors(self, entity: str) -> list[Neighbor]:
        """Entities that share a fact with ``entity``: its facts first, then those in which it is the tail.

        An entity that no fact names has none. A neighbor appears once for every fact.
        """
        place = self._position.get(entity)
        if place is None:
            return []
        return [
            Neighbor(relation, other, forward)
            for side, forward in zip(self._sides, (True, False), strict=True)
            for relation, other in side.facts_of(place)
        ]

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
