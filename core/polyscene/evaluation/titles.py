"""What items are called: titles, texts where those are missing."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from polyscene.data.tables import Tables


def item_titles(tables: Tables, items: Iterable[int]) -> dict[int, str]:
    """Titles by row of ``tables.items``; none where a scenario has neither titles nor texts."""
    rows = sorted(set(items))
    titles = title_array(tables.items.iloc[rows]).to_pylist()
    return {row: title for row, title in zip(rows, titles, strict=True) if title is not None}


def title_array(items: pd.DataFrame) -> pa.Array:
    """The title of every row, null where there is none: a third of what Python's strings take."""
    named = [string_array(pd.Series(items[name])) for name in ("title", "text") if name in items]
    return pc.call_function("coalesce", named) if named else pa.nulls(len(items), pa.large_string())


def string_array(values: pd.Series) -> pa.Array:
    """Values as strings, null where they are missing."""
    if not isinstance(values.dtype, pd.StringDtype):
        values = values.astype("object").map(str, na_action="ignore")
    array = pa.array(values, pa.large_string(), from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
