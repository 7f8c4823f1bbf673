"""The tiny plugin's likes with a text and a graph of its own: what controls can take away."""

from __future__ import annotations

import functools
from dataclasses import replace
from importlib import metadata
from typing import Any

import pandas as pd

from polyscene import (
    Category,
    Enrichment,
    Id,
    ItemGraph,
    KnowledgeGraph,
    Scenario,
    Tables,
    TaskSpec,
    Text,
    generate,
    graph_enrichment,
    hookimpl,
)
from polyscene.registry.discovery import GROUP, Candidate
from polyscene.registry.host import Host, load_host
from tests.tiny_plugin import UnorderedConfig

POLYSCENE_API = "1.0"
TALES, PLAIN = "tales", "plain"


def load(config: UnorderedConfig, data: Any) -> Tables:
    tables = generate(users=60, items=60, interactions=800, seed=1, clusters=4, affinity=0.9)
    return replace(tables, interactions=tables.interactions.drop(columns=["timestamp"]), links=None)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    def scenario(name: str, *columns: Any) -> Scenario:
        return Scenario(name, load, item_columns=columns, tasks=(TaskSpec("ranking"),), config=UnorderedConfig)

    # The text is read as words, so that no backbone is needed.
    return [scenario(TALES, Text(encoder="tfidf"), Category("group"), Id()), scenario(PLAIN, Id())]


@hookimpl
def polyscene_enrich(scenario: str, tables: Tables) -> Enrichment | None:
    if scenario != TALES:
        return None
    graph = KnowledgeGraph.from_facts(tables.facts)
    entity_of = {item: item for item in tables.items["item_id"][5:] if item in graph}
    items = ItemGraph(graph, entity_of, dict(zip(tables.items["item_id"], tables.items["text"], strict=True)))
    frame = pd.DataFrame({"item_id": list(entity_of), "graph_entity": list(entity_of.values())})
    made = graph_enrichment(items, ["attention"], space="tale")
    assert made.items.equals(frame)
    return made


@functools.cache
def graph_host() -> Host:
    """A host with this plugin and nothing else."""
    entry = metadata.EntryPoint("graphs", "tests.training.graph_plugin", GROUP)
    return load_host(candidates=[Candidate("graphs", entry, "polyscene-graphs", "0.1.0")])
