"""The graph gives back the facts it was given."""

from __future__ import annotations

import pandas as pd
import pytest

from polyscene.errors import DataError
from polyscene.graph import KnowledgeGraph, Neighbor, inverse_relations


def frame(*facts: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(facts, columns=["head", "relation", "tail"])


FILMS = frame(
    ("alien", "genre", "horror"),
    ("horror", "films", "alien"),
    ("alien", "sequel", "aliens"),
    ("aliens", "prequel", "alien"),
    ("alien", "director", "scott"),
    ("scott", "married_to", "facio"),
    ("facio", "married_to", "scott"),
)


def test_facts_survive_the_round_trip():
    graph = KnowledgeGraph.from_facts(FILMS)
    assert set(graph.facts().itertuples(index=False, name=None)) == set(FILMS.itertuples(index=False, name=None))
    assert len(graph) == len(FILMS)


def test_equal_facts_are_one_edge_and_two_relations_are_two():
    graph = KnowledgeGraph.from_facts(frame(("a", "r", "b"), ("a", "r", "b"), ("a", "s", "b")))
    assert len(graph) == 2
    assert graph.relations() == {"r": 1, "s": 1}


def test_neighbors_know_relation_and_direction():
    graph = KnowledgeGraph.from_facts(FILMS)
    assert graph.neighbors("aliens") == [Neighbor("prequel", "alien", True), Neighbor("sequel", "alien", False)]
    assert graph.degree("aliens") == 2


def test_an_unknown_entity_has_no_neighbors():
    graph = KnowledgeGraph.from_facts(FILMS)
    assert graph.neighbors("predator") == []
    assert graph.degree("predator") == 0
    assert "predator" not in graph


def test_inverse_relations_are_found_both_ways_round():
    assert KnowledgeGraph.from_facts(FILMS).inverse_relations() == {
        "genre": "films",
        "films": "genre",
        "sequel": "prequel",
        "prequel": "sequel",
        "married_to": "married_to",
    }


def test_a_relation_that_is_reversed_too_rarely_is_no_inverse():
    facts = frame(("a", "r", "b"), ("c", "r", "d"), ("b", "s", "a"))
    assert inverse_relations(facts, threshold=0.9) == {}
    assert inverse_relations(facts, threshold=0.5) == {"r": "s", "s": "r"}


def test_no_facts_are_an_empty_graph():
    graph = KnowledgeGraph.from_facts(frame())
    assert (len(graph), graph.entities, graph.inverse_relations()) == (0, [], {})


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match="lack the column relation") as caught:
        KnowledgeGraph.from_facts(FILMS.drop(columns="relation"))
    assert "name the columns head, relation, tail" in str(caught.value)


def test_empty_cells_are_counted():
    facts = FILMS.copy()
    facts.loc[2, "tail"] = None
    with pytest.raises(DataError, match=r"1 facts have an empty head, relation or tail, the first in row 2"):
        KnowledgeGraph.from_facts(facts)
