"""The graph as items see it: neighbors, words, structural vectors."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from polyscene.graph import KnowledgeGraph
from polyscene.graph.items import Fact, ItemGraph
from polyscene.graph.vectors import structural_vectors
from polyscene.graph.words import relation_words, verbalized

FILMS = [
    ("alien", "film.film.directed_by", "m1"),
    ("runner", "film.film.directed_by", "m1"),
    ("m1", "film.director.film", "alien"),
    ("m1", "film.director.film", "runner"),
    ("m2", "film.director.film", "heat"),
    ("alien", "film.film.sequel", "aliens"),
    ("alien", "film.film.country", "us"),
    ("runner", "film.film.country", "us"),
    ("heat", "film.film.country", "us"),
    ("heat", "film.film.directed_by", "m2"),
]
NAMES = {"alien": "Alien", "runner": "Blade Runner", "heat": "Heat", "aliens": "Aliens"}
WORDS = {"film.film.directed_by": "director"}


def graph(facts: list[tuple[str, str, str]] = FILMS) -> ItemGraph:
    frame = pd.DataFrame(facts, columns=["head", "relation", "tail"])
    links = {"1": "alien", "2": "runner", "3": "heat"}
    return ItemGraph(KnowledgeGraph.from_facts(frame), links, NAMES, WORDS)


def test_a_fact_and_its_inverse_are_one_step():
    steps = {(step.relation, step.entity): step.fact for step in graph().around("alien")}
    assert steps == {
        ("film.film.directed_by", "m1"): Fact("alien", "film.film.directed_by", "m1"),
        ("film.film.sequel", "aliens"): Fact("alien", "film.film.sequel", "aliens"),
        ("film.film.country", "us"): Fact("alien", "film.film.country", "us"),
    }


def test_a_fact_without_an_inverse_is_followed_backwards():
    steps = graph().around("us")
    assert {step.relation for step in steps} == {"~film.film.country"}
    assert all(step.fact.tail == "us" for step in steps)


def test_every_step_is_a_fact_of_the_graph():
    items = graph()
    for entity in items.graph.entities:
        for step in items.around(entity):
            assert items.graph.graph.has_edge(step.fact.head, step.fact.tail, key=step.fact.relation)


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        ("film.film.directed_by", "director"),
        ("film.film.country", "country"),
        ("music.artist.origin", "artist origin"),
        ("part_of", "part of"),
        ("~part_of", "part of, from the other side"),
    ],
)
def test_relations_in_words(relation: str, words: str):
    assert relation_words(relation, WORDS) == words


def test_items_in_words():
    said = verbalized(graph(), most_common=0.7)
    assert said["1"] == "sequel Aliens; same director as Blade Runner"
    assert said["2"] == "same director as Alien"
    assert "3" not in said, "what all share says nothing, and what nobody shares cannot be said"
    assert "same country as" in verbalized(graph(), most_common=1.0)["3"]


def test_structural_vectors_learn_the_facts_they_are_given():
    """Two camps, whose members are joined to their own leader: vectors of a camp come to lie together."""
    facts = [(f"a{i}", "follows", "A") for i in range(8)] + [(f"b{i}", "follows", "B") for i in range(8)]
    items = graph(facts)
    row, vector = structural_vectors(items.graph, width=16, epochs=60, negatives=16)
    unit = torch.nn.functional.normalize(vector, dim=-1)
    camps = [unit[[row[f"{camp}{i}"] for i in range(8)]] for camp in "ab"]
    within = (camps[0] @ camps[0].T).mean()
    assert within > (camps[0] @ camps[1].T).mean() + 0.3
    again = structural_vectors.__wrapped__(items.graph, width=16, epochs=60, negatives=16)[1]
    assert torch.equal(vector, again)
