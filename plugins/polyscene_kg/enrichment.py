"""Lends the graph to films of another scenario."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from polyscene import INVERSE, Column, Enrichment, KnowledgeGraph, Split, Tables, check_links
from polyscene_kg.data import LINKS, train_facts
from polyscene_kg.features import cell

COLUMN = "film_facts"
# Nine films in ten have at most 50 neighbors that another fact names too.
MOST_NEIGHBORS = 48


def film_facts(films: Tables, kg: Tables, split: Split) -> Enrichment | None:
    """A graph column for every film that is linked to an entity, from training facts only.

    Facts of the validation and test phase would otherwise reach the entity vectors through the films and be known
    before they are asked for. Returns ``None`` where no film is linked.
    """
    linked = _linked(films, kg)
    if linked.empty:
        return None
    graph = KnowledgeGraph.from_facts(train_facts(kg, split))
    inverse, degree = graph.inverse_relations(), dict(graph.graph.degree)
    cells = [cell(entity, _neighbors(graph, entity, inverse, degree)) for entity in linked["entity"]]
    known = films.items.set_index("item_id")
    note = f"{len(linked):,} of {len(films.items):,} films linked to the graph ({len(graph):,} training facts)"
    if "genres" in known:
        genres = known.loc[linked["item_id"], "genres"].str.split("|")
        check = check_links(graph, linked["entity"].tolist(), genres.tolist())
        note = f"{note}; {check}"
    return Enrichment(
        items=pd.DataFrame({"item_id": linked["item_id"].to_numpy(), COLUMN: cells}),
        item_columns=(Column(COLUMN, encoder="graph"),),
        note=note,
    )


def _linked(films: Tables, kg: Tables) -> pd.DataFrame:
    """``item_id`` and ``entity`` of the linked films, by the data set whose film ids they have."""
    films_here = set(films.items["item_id"])
    best: list[tuple[str, str]] = []
    for name in LINKS:
        pairs = zip(kg.items[name], kg.items["item_id"], strict=True)
        best = max(best, [(film, entity) for film, entity in pairs if film in films_here], key=len)
    return pd.DataFrame(best, columns=["item_id", "entity"])


def _neighbors(
    graph: KnowledgeGraph, entity: str, inverse: dict[str, str], degree: dict[str, int]
) -> list[tuple[str, str]]:
    """``(relation, neighbor)`` of the neighbors that other facts name too, the best connected first."""
    found: set[tuple[str, str]] = set()
    facts_here: Counter[str] = Counter()
    for neighbor in graph.neighbors(entity):
        # A fact and its inverse are one, under the relation that leads away from the film.
        relation = (
            neighbor.relation if neighbor.forward else inverse.get(neighbor.relation, INVERSE + neighbor.relation)
        )
        found.add((relation, neighbor.entity))
        facts_here[neighbor.entity] += 1
    shared = [(r, n) for r, n in found if degree[n] > facts_here[n]]
    return sorted(shared, key=lambda pair: (-degree[pair[1]], pair))[:MOST_NEIGHBORS]
