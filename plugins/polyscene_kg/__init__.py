"""Knowledge graph: facts about films, completed on their own and lent to other scenarios' items."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from polyscene import Component, Enrichment, Scenario, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_scenarios() -> Iterable[Scenario]:
    """The scenario ``kg``."""
    from polyscene_kg.data import KG

    return [KG]


@hookimpl
def polyscene_components() -> Iterable[Component]:
    """Encoder ``graph``, adapter ``complex_gate``, loss ``self_adversarial`` and split ``triples``."""
    from polyscene_kg.adapter import ComplexGateBank
    from polyscene_kg.features import GraphEncoder
    from polyscene_kg.loss import SelfAdversarialConfig, SelfAdversarialLoss
    from polyscene_kg.split import TripleSplit, TripleSplitConfig

    return [
        Component("encoder", "graph", GraphEncoder),
        Component("adapter", "complex_gate", ComplexGateBank),
        Component("loss", "self_adversarial", SelfAdversarialLoss, SelfAdversarialConfig),
        Component("split", "triples", TripleSplit, TripleSplitConfig),
    ]


@hookimpl
def polyscene_enrich(
    scenario: str, tables: Any, loaded: dict[str, Any], splits: dict[str, Any]
) -> Enrichment | None:
    """Facts about the films of ``video``, where both scenarios are in the run."""
    if scenario != "video" or "kg" not in loaded:
        return None
    from polyscene_kg.enrichment import film_facts

    return film_facts(tables, loaded["kg"], splits["kg"])


@hookimpl
def polyscene_config_paths() -> Iterable[str]:
    """The plugin's own config groups."""
    return ["pkg://polyscene_kg.conf"]
