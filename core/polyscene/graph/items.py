"""A knowledge graph as the items of a scenario see it: which entity each item is, and what lies around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from polyscene.graph.directions import INVERSE
from polyscene.graph.store import KnowledgeGraph, Neighbor
from polyscene.graph.words import relation_words


class Fact(NamedTuple):
    """One fact as the graph holds it."""

    head: str
    relation: str
    tail: str


class Step(NamedTuple):
    """From an entity to another one: ``relation`` as seen from where the step begins, and the fact behind it.

    A fact that reads the other way takes the name of its relation's inverse, or ``~`` before its own.
    """

    relation: str
    entity: str
    fact: Fact


@dataclass(frozen=True)
class ItemGraph:
    """Facts that training may use, and the items that they are about.

    Args:
        graph: training facts and nothing else: all that is made of it may be shown to a model.
        entity_of: the entity of each linked item, by item id.
        names: what people call an entity, where that is known.
        words: what people call a relation seen from its head, as ``{"film.film.directed_by": "director"}`` (with
            ``~`` before it, seen from the tail); others get words from their id.

    Example:
        >>> import pandas as pd
        >>> facts = pd.DataFrame({"head": ["m1", "m2"], "relation": ["genre"] * 2, "tail": ["g", "g"]})
        >>> items = ItemGraph(KnowledgeGraph.from_facts(facts), {"Alien": "m1", "Heat": "m2"})
        >>> [step.entity for step in items.around("m1")], items.items_at["g"]
        (['g'], ('Alien', 'Heat'))
    """

    graph: KnowledgeGraph
    entity_of: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def inverse(self) -> dict[str, str]:
        """Relations that say the same in the other direction."""
        return self.graph.inverse_relations()

    def around(self, entity: str) -> list[Step]:
        """The steps that lead away from an entity, each relation and neighbor once, in the order of the graph."""
        return self._steps(entity, self.graph.neighbors(entity))

    def shared_around(self, entity: str, most: int) -> list[Step]:
        """At most ``most`` steps to neighbors that other facts name too, the best connected first.

        Of a neighbor that no other fact names a model can learn nothing but the item itself.
        """
        if (entity, most) not in self._shared:
            self._shared[entity, most] = self._shared_steps(entity, most)
        return self._shared[entity, most]

    @cached_property
    def _shared(self) -> dict[tuple[str, int], list[Step]]:
        """What was asked for: an encoder asks when it learns its entities, and again when rows are bound."""
        return {}

    def _shared_steps(self, entity: str, most: int) -> list[Step]:
        neighbors = self.graph.neighbors(entity)
        facts_here = Counter(neighbor.entity for neighbor in neighbors)
        degree = {other: self.graph.degree(other) for other in facts_here}
        shared = [one for one in neighbors if degree[one.entity] > facts_here[one.entity]]
        steps = self._steps(entity, shared)
        return sorted(steps, key=lambda step: (-degree[step.entity], step.relation, step.entity))[:most]

    def _steps(self, entity: str, neighbors: Iterable[Neighbor]) -> list[Step]:
        found: dict[tuple[str, str], Step] = {}
        for relation, other, forward in neighbors:
            if forward:
                seen, fact = relation, Fact(entity, relation, other)
            else:
                seen, fact = self.inverse.get(relation, INVERSE + relation), Fact(other, relation, entity)
            found.setdefault((seen, other), Step(seen, other, fact))
        return list(found.values())

    @cached_property
    def items_at(self) -> dict[str, tuple[str, ...]]:
        """The linked items one fact away from each entity (an entity that no item is near is left out)."""
        found: dict[str, list[str]] = {}
        for item, entity in self.entity_of.items():
            for neighbor in dict.fromkeys(neighbor.entity for neighbor in self.graph.neighbors(entity)):
                found.setdefault(neighbor, []).append(item)
        return {entity: tuple(items) for entity, items in found.items()}

    def word(self, relation: str) -> str:
        """What people call a relation, seen from where a step begins."""
        return relation_words(relation, self.words)
