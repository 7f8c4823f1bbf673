"""Enriches by columns that it does not have."""

import pandas as pd

from polyscene import Category, Enrichment, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_enrich(scenario: str) -> Enrichment:
    return Enrichment(pd.DataFrame({"item_id": ["a00"]}), (Category("mood"),))
