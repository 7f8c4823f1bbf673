"""Do the tables hold what the scenario declares?"""

from __future__ import annotations

import pandas as pd

from polyscene.data.columns import Column, Number, Text, Timestamp
from polyscene.data.ids import series
from polyscene.data.scenario import Scenario
from polyscene.data.tables import Tables
from polyscene.errors import DataError, Problems, did_you_mean


def validate_scenario(scenario: Scenario, tables: Tables) -> None:
    """Checks every declared column: it must be there, have the right type and, for text, not be empty throughout.

    Raises:
        DataError: with every problem found.
    """
    problems = Problems(f"scenario '{scenario.name}'")
    declared = (
        ("items", tables.items, scenario.item_columns),
        ("users", tables.users, scenario.user_columns),
        ("interactions", tables.interactions, scenario.event_columns),
    )
    for table, frame, columns in declared:
        for column in columns:
            if not column.name:
                continue  # the row's own id
            if column.name not in frame:
                hint = did_you_mean(column.name, map(str, frame.columns))
                problems.add(f"{table}.{column.name} is declared but missing", fix=hint)
            else:
                _check_type(f"{table}.{column.name}", series(frame, column.name), column, problems)
    problems.raise_if_any(DataError)


def _check_type(where: str, values: pd.Series, column: Column, problems: Problems) -> None:
    if isinstance(column, Number | Timestamp) and not pd.api.types.is_numeric_dtype(values.dtype):
        example = values.dropna().iloc[0] if values.notna().any() else None
        problems.add(
            f"{where} is declared as {type(column).__name__} but holds {values.dtype}, such as {example!r}",
            fix="convert it to numbers (pandas.to_numeric), or declare another kind of column",
        )
    if isinstance(column, Text):
        if pd.api.types.is_numeric_dtype(values.dtype):
            problems.add(f"{where} is declared as Text but holds {values.dtype}", fix="declare Number or Category")
        elif not values.dropna().astype("str").str.strip().ne("").any():
            problems.add(
                f"{where} is declared as Text but every one of its {len(values)} texts is empty",
                fix="name a column with text, or leave Text out of the scenario's columns (ids alone also work)",
            )
