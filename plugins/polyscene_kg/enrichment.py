"""Lends the graph to films of another scenario."""

from __future__ import annotations

from collections.abc import Iterable

from polyscene import Enrichment, ItemGraph, KnowledgeGraph, Split, Tables, Way, check_links, graph_enrichment
from polyscene_kg.data import LINKS, train_facts
from polyscene_kg.relations import WORDS

SPACE = "kg_entity"


def film_facts(films: Tables, kg: Tables, split: Split, ways: Iterable[Way]) -> Enrichment | None:
    """What the graph says of every film that is linked to an entity, from training facts only.

    Facts of the validation and test phase would otherwise reach the entity vectors through the films and be known
    before they are asked for. Returns ``None`` where no film is linked.
    """
    entity_of = _linked(films, kg)
    if not entity_of:
        return None
    graph = KnowledgeGraph.from_facts(train_facts(kg, split))
    note = f"{len(entity_of):,} of {len(films.items):,} films linked to the graph ({len(graph):,} training facts)"
    known = films.items.set_index("item_id")
    if "genres" in known:
        genres = known.loc[list(entity_of), "genres"].str.split("|")
        note = f"{note}; {check_links(graph, list(entity_of.values()), genres.tolist())}"
    names = {entity: str(known.at[film, "title"]) for film, entity in entity_of.items()}
    elsewhere = kg.items.dropna(subset=["movielens_1m"]).set_index("item_id")["title"].to_dict()
    items = ItemGraph(graph, entity_of, {**elsewhere, **names}, WORDS)
    return graph_enrichment(items, ways, space=SPACE, note=note)


def _linked(films: Tables, kg: Tables) -> dict[str, str]:
    """The entity of each linked film, by the data set whose film ids they have."""
    films_here = set(films.items["item_id"].tolist())
    best: dict[str, str] = {}
    for name in LINKS:
        if name in kg.items:
            pairs = zip(kg.items[name].tolist(), kg.items["item_id"].tolist(), strict=True)
            best = max(best, {film: entity for film, entity in pairs if film in films_here}, key=len)
    return best
