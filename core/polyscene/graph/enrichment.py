"""What an enricher adds to another scenario's items or users."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from polyscene.data.columns import Column


@dataclass(frozen=True)
class Enrichment:
    """Extra columns for the items of a scenario.

    Args:
        items: a frame with ``item_id`` and the new columns; items that are missing get no value.
        item_columns: how the new columns are encoded. Use an encoder whose gate starts closed, so that the
            enriched scenario begins exactly where it was without enrichment.
        note: one line for the log: what was added, for how many items.
    """

    items: pd.DataFrame
    item_columns: tuple[Column, ...]
    note: str = ""
