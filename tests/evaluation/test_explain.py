"""Explanations: paths that exist, the most telling first, and plain words where there is none."""

from __future__ import annotations

import io
import random

import pandas as pd
from rich.console import Console

from polyscene.evaluation.explain import Explainer, explained
from polyscene.graph import KnowledgeGraph
from polyscene.graph.items import ItemGraph

FACTS = [
    ("alien", "directed_by", "scott"),
    ("runner", "directed_by", "scott"),
    ("alien", "sequel", "aliens"),
    ("alien", "country", "us"),
    ("runner", "country", "us"),
    ("heat", "country", "us"),
    ("heat", "written_by", "mann"),
    ("thief", "directed_by", "mann"),
    ("island", "country", "is"),
]
TITLES = {"alien": "Alien", "aliens": "Aliens", "runner": "Blade Runner", "heat": "Heat", "thief": "Thief"}
WORDS = {"directed_by": "director", "written_by": "writer"}


def graph(facts: list[tuple[str, str, str]] = FACTS, names: dict[str, str] | None = None) -> ItemGraph:
    frame = pd.DataFrame(facts, columns=["head", "relation", "tail"])
    films = [entity for entity in ("alien", "aliens", "runner", "heat", "thief", "island") if facts is FACTS]
    films = films or sorted({head for head, _, _ in facts})
    return ItemGraph(
        KnowledgeGraph.from_facts(frame), {f"i-{film}": film for film in films}, {**TITLES, **(names or {})}, WORDS
    )


def texts(item: str, *seen: str, **options) -> list[str]:
    explainer = Explainer(graph(**options), [f"i-{film}" for film in seen])
    return [reason.text for reason in explainer.reasons(f"i-{item}", most=9)]


def test_rare_shared_entities_come_before_common_ones():
    assert texts("runner", "heat", "alien") == [
        "same director as Alien (2 items share it)",
        "same country as Heat and Alien (3 items share it)",
    ]


def test_a_direct_fact_comes_first():
    assert texts("alien", "runner", "aliens")[0] == "its sequel is Aliens"
    assert texts("aliens", "alien") == ["its sequel, from the other side is Alien"]


def test_names_and_different_relations_are_said():
    assert texts("thief", "heat", names={"mann": "Michael Mann"}) == [
        "its director (Michael Mann) is writer of Heat (2 items share it)"
    ]


def test_every_path_is_made_of_facts_that_exist_and_joins_its_ends():
    generator = random.Random(0)
    facts = sorted(
        {
            (f"f{generator.randrange(30)}", f"r{generator.randrange(3)}", f"x{generator.randrange(12)}")
            for _ in range(120)
        }
    )
    items = graph(facts)
    explainer = Explainer(items, [f"i-f{n}" for n in range(10)])
    found = 0
    for item, entity in items.entity_of.items():
        reasons = explainer.reasons(item, most=20)
        assert [reason.items for reason in reasons] == sorted(reason.items for reason in reasons)
        for reason in reasons:
            for path in reason.paths:
                assert path.seen != item
                for fact in path.facts:
                    assert items.graph.graph.has_edge(fact.head, fact.tail, key=fact.relation)
                first, last = path.facts
                assert {items.entity_of[path.seen], reason.through} == {first.head, first.tail}
                assert {entity, reason.through} == {last.head, last.tail}
                found += 1
    assert found > 50


def test_where_there_is_no_path_it_is_said():
    out = io.StringIO()
    console = Console(file=out, width=200)
    items = ["i-runner", "i-island", "i-unknown"]
    reasons = explained(graph(), items, ["i-alien"], console)
    assert [len(one) for one in reasons] == [2, 0, 0]
    lines = out.getvalue().splitlines()
    assert lines[1].startswith("  1. Blade Runner: same director as Alien (2 items share it); same country")
    assert lines[2:] == ["  2. i-island: no path of at most 2 facts", "  3. i-unknown: not linked to the graph"]
    explained(graph(), ["i-runner"], ["i-unknown"], console)
    assert "nothing in the past is linked to the graph" in out.getvalue()
