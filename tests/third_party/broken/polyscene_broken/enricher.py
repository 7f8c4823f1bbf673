"""Raises when it is asked to enrich: the scenarios of others do without it, and its own cannot."""

from dataclasses import replace
from typing import Any

from polyscene import Enrichment, Id, Scenario, Tables, generate, hookimpl

POLYSCENE_API = "1.0"


def load(config: Any, data: Any) -> Tables:
    return replace(generate(users=30, items=20, interactions=300, seed=0, clusters=4), links=None, facts=None)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return [Scenario("enriched", load, item_columns=(Id(),))]


@hookimpl
def polyscene_enrich(scenario: str) -> Enrichment:
    raise KeyError(scenario)
