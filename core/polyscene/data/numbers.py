"""Values and times of interactions: numbers that can be trusted, in the narrowest type that holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from polyscene.data.ids import blocks, values_of, where
from polyscene.errors import Problems

_LATEST = 1e11  # unix seconds of the year 5138: beyond lie milliseconds


def numbers(where_: str, column: pd.Series, problems: Problems) -> np.ndarray | None:
    """The column as float32; text, missing and infinite values are problems (then ``None``)."""
    if not _is_number(column, where_, problems):
        return None
    values = values_of(column)
    total, rows = where(~np.isfinite(_floats(values[block])) for block in blocks(len(column)))
    if total:
        problems.add(
            f"{where_} is missing or infinite in {total} rows, such as {_rows(rows)}",
            fix="fill the values in, or drop these rows and count them in `dropped`",
        )
        return None
    return _filled(values, np.float32)


def seconds(where_: str, column: pd.Series, problems: Problems) -> np.ndarray | None:
    """The column as int64 unix seconds, or ``None`` if it holds no time at all or has problems.

    Date columns are converted (times without a zone count as UTC).
    """
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if column.dtype.kind == "M":
        whole = column.to_numpy(dtype="datetime64[s]").astype(np.int64)
        column = pd.Series(pd.arrays.IntegerArray(whole, column.isna().to_numpy()))
    if column.isna().all():
        return None
    if not _is_number(column, where_, problems):
        return None
    values = values_of(column)
    checks = (
        (np.isnan, "is missing", "fill the times in, or leave the whole column out"),
        (lambda x: x < 0, "is negative", "times are unix seconds since 1970 (UTC)"),
        (lambda x: x > _LATEST, "looks like milliseconds", "divide it by 1000: times are unix seconds (UTC)"),
    )
    found = False
    for is_bad, what, fix in checks:
        total, rows = where(is_bad(_floats(values[block])) for block in blocks(len(column)))
        if total:
            found = True
            problems.add(f"{where_} {what} in {total} rows, such as {_rows(rows, column)}", fix=fix)
    return None if found else _filled(values, np.int64)


def _is_number(column: pd.Series, where_: str, problems: Problems) -> bool:
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        return True
    example = column.dropna().iloc[0] if column.notna().any() else None
    problems.add(
        f"{where_} has the type {column.dtype}, with values such as {example!r}",
        fix="convert it to numbers (pandas.to_numeric)",
    )
    return False


def _floats(values: Any) -> np.ndarray:
    if isinstance(values, np.ndarray):
        return values.astype(np.float64, copy=False)
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))


def _filled(values: Any, dtype: type) -> np.ndarray:
    if isinstance(values, np.ndarray) and values.dtype == dtype:
        return values
    result = np.empty(len(values), dtype=dtype)
    for block in blocks(len(values)):
        part = values[block]
        whole = isinstance(part, np.ndarray) and part.dtype.kind in "iu"
        result[block] = part if whole else _floats(part)
    return result


def _rows(rows: list[int], column: pd.Series | None = None) -> str:
    return ", ".join(f"row {row}" + (f" ({column.iloc[row]})" if column is not None else "") for row in rows)
