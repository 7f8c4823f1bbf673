"""Misaligned links are found without any names in the graph."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from polyscene.graph import KnowledgeGraph, check_links

GENRES = ["horror", "comedy", "drama", "western"]
FILMS = [f"m{i}" for i in range(200)]
TAGS = [[GENRES[i % 4]] for i in range(200)]
GRAPH = KnowledgeGraph.from_facts(
    pd.DataFrame(
        {"head": FILMS, "relation": "film.film.genre", "tail": [f"entity of {GENRES[i % 4]}" for i in range(200)]}
    )
)


def test_right_links_agree_fully():
    check = check_links(GRAPH, FILMS, TAGS)
    # 49 of the 199 other films share the genre, and every film that shares the entity does.
    assert math.isclose(check.agreement, 199 / 49)
    assert not check.misaligned
    assert check.linked == 200


def test_shuffled_links_are_called_misaligned():
    shuffled = list(np.random.default_rng(0).permutation(FILMS))
    check = check_links(GRAPH, shuffled, TAGS)
    assert 0.9 < check.agreement < 1.1
    assert check.misaligned
    assert "wrong item" in str(check)


def test_without_tags_nothing_is_claimed():
    check = check_links(GRAPH, FILMS, [[] for _ in FILMS])
    assert math.isnan(check.agreement)
    assert not check.misaligned
    assert "could not be measured" in str(check)


def test_entities_outside_the_graph_do_not_count():
    check = check_links(GRAPH, ["unknown", *FILMS[1:]], TAGS)
    assert check.linked == 199


def test_no_links_at_all():
    assert check_links(GRAPH, [], []).linked == 0
