"""Raises when it is asked to enrich."""

from polyscene import Enrichment, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_enrich(scenario: str) -> Enrichment:
    raise KeyError(scenario)
