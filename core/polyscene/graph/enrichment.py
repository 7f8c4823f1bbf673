"""What an enricher adds to another scenario's items, and the three ways in which a graph does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from polyscene.data.columns import Column, Text
from polyscene.data.scenario import Way
from polyscene.graph.items import ItemGraph
from polyscene.graph.words import verbalized

ENTITY_COLUMN, FACTS_COLUMN = "graph_entity", "graph_facts"


@dataclass(frozen=True)
class Enrichment:
    """Extra columns for the items of a scenario, or links among its users.

    The engine puts a learned gate behind each column that starts closed, so that the enriched scenario begins
    exactly where it was without enrichment.

    Args:
        items: a frame with ``item_id`` and the new columns; items that are missing get no value.
        item_columns: how the new columns are encoded.
        links: a frame with ``user_id`` and ``friend_id``, for priors; those of unknown users are left out.
        note: one line for the log: what was added, for how many items.
        graph: where the columns come from a knowledge graph, that graph: encoders read it, ``recommend`` explains
            with it, and the controls ``no_graph`` and ``shuffled_links`` know by it what to change.
    """

    items: pd.DataFrame | None = None
    item_columns: tuple[Column, ...] = ()
    links: pd.DataFrame | None = None
    note: str = ""
    graph: ItemGraph | None = None


def graph_enrichment(
    graph: ItemGraph, ways: Iterable[Way], *, space: str, note: str = "", **options: dict[str, Any]
) -> Enrichment:
    """What a graph gives to the items that are linked to it.

    Args:
        graph: the items' graph, of training facts only.
        ways: any of ``verbalized`` (the facts as a text that the backbone reads), ``attention`` (the entities
            around an item, weighed as in KGAT) and ``side_vectors`` (vectors learned from the facts alone).
        space: the id space of entity vectors that are trained with the model; a scenario that completes facts of
            the same graph shares them by naming it as its ``item_space``.
        note: one line for the log.
        options: options of the encoders by way, as ``attention={"most_neighbors": 16}``.
    """
    ways = frozenset(ways)
    frame = pd.DataFrame({"item_id": list(graph.entity_of)})
    columns: list[Column] = []
    if "verbalized" in ways:
        texts = verbalized(graph, **options.get("verbalized", {}))
        frame[FACTS_COLUMN] = [texts.get(item, "") for item in frame["item_id"]]
        columns.append(Text(FACTS_COLUMN))
    for way, encoder in (("attention", "kgat"), ("side_vectors", "side_vectors")):
        if way in ways:
            frame[ENTITY_COLUMN] = list(graph.entity_of.values())
            given = {"space": space, **options.get(way, {})}
            columns.append(Column(ENTITY_COLUMN, encoder=encoder, options=given))
    return Enrichment(frame, tuple(columns), note=note, graph=graph)
