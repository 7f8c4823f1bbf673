"""A knowledge graph as the items of a scenario see it: which entity each item is, and what lies around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from polyscene.graph.directions import INVERSE
from polyscene.graph.store import KnowledgeGraph
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

    @cached_property
    def degree(self) -> dict[str, int]:
        """Number of facts that name each entity; networkx counts anew whenever it is asked for one."""
        return dict(self.graph.graph.degree)

    def around(self, entity: str) -> list[Step]:
        """The steps that lead away from an entity, each relation and neighbor once, in the order of the graph."""
        found: dict[tuple[str, str], Step] = {}
        for neighbor in self.graph.neighbors(entity):
            if neighbor.forward:
                relation, fact = neighbor.relation, Fact(entity, neighbor.relation, neighbor.entity)
            else:
                relation = self.inverse.get(neighbor.relation, INVERSE + neighbor.relation)
                fact = Fact(neighbor.entity, neighbor.relation, entity)
            found.setdefault((relation, neighbor.entity), Step(relation, neighbor.entity, fact))
        return list(found.values())

    def shared_around(self, entity: str, most: int) -> list[Step]:
        """At most ``most`` steps to neighbors that other facts name too, the best connected first.

        Of a neighbor that no other fact names a model can learn nothing but the item itself.
        """
        facts_here = Counter(neighbor.entity for neighbor in self.graph.neighbors(entity))
        shared = [step for step in self.around(entity) if self.degree[step.entity] > facts_here[step.entity]]
        return sorted(shared, key=lambda step: (-self.degree[step.entity], step.relation, step.entity))[:most]

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
