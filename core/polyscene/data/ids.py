"""Ids as small integers: strings are kept once, rows hold codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

BLOCK = 1 << 20  # rows handled at once: temporaries stay small beside the columns themselves


def blocks(rows: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices that cover ``rows`` in order, each of at most ``size`` rows."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def series(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column that is known to be there once (pandas types ``frame[name]`` more widely)."""
    column = frame[name]
    assert isinstance(column, pd.Series)
    return column


def values_of(column: pd.Series) -> Any:
    """The array of a column without a copy: NumPy where the column is plain, else the pandas array."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def encode(column: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """``(code_R, ids)``: an integer per row, -1 where the id is missing, and the distinct ids as strings.

    Raises:
        TypeError: if ids are neither text nor whole numbers.
    """
    array = column.array
    if isinstance(array, pd.Categorical):
        return array.codes, _as_text(array.categories)
    if not _may_be_id(column):
        raise TypeError(str(column.dtype))
    codes, distinct = pd.factorize(column, use_na_sentinel=True)
    return codes.astype(np.int32), _as_text(pd.Index(distinct))


def align(code_R: np.ndarray, ids: pd.Index, known: pd.Index) -> np.ndarray:
    """Codes into ``known`` instead of ``ids``: int32, -1 where missing or unknown."""
    if ids is known or ids.equals(known):
        return code_R
    position = np.append(known.get_indexer(ids), -1).astype(np.int32)
    aligned = np.empty(len(code_R), dtype=np.int32)
    for block in blocks(len(code_R)):
        aligned[block] = position[code_R[block]]
    return aligned


def counts(code_R: np.ndarray, size: int) -> np.ndarray:
    """How often each code 0 .. ``size - 1`` occurs (int64); missing codes (-1) are not counted."""
    total = np.zeros(size + 1, dtype=np.int64)
    for block in blocks(len(code_R)):
        total += np.bincount(code_R[block].astype(np.int64) + 1, minlength=size + 1)
    return total[1:]


def where(mask_of_block: Iterator[np.ndarray], limit: int = 3) -> tuple[int, list[int]]:
    """Number of True entries over consecutive blocks, and the first few positions."""
    total, first, offset = 0, [], 0
    for mask in mask_of_block:
        count = int(np.count_nonzero(mask))
        if count and len(first) < limit:
            first += [offset + int(i) for i in np.flatnonzero(mask)[: limit - len(first)]]
        total, offset = total + count, offset + len(mask)
    return total, first


def categorical(code_R: np.ndarray, ids: pd.Index) -> pd.Categorical:
    """A pandas categorical over all ``ids`` without copying the codes where their type allows."""
    return pd.Categorical.from_codes(code_R, dtype=pd.CategoricalDtype(ids), validate=False)


def _may_be_id(column: pd.Series) -> bool:
    if pd.api.types.is_bool_dtype(column.dtype):
        return False
    if pd.api.types.is_integer_dtype(column.dtype):
        return True
    if column.dtype == object:
        return pd.api.types.infer_dtype(column, skipna=True) in ("string", "integer", "empty")
    return isinstance(column.dtype, pd.StringDtype)


def _as_text(ids: pd.Index) -> pd.Index:
    return ids if isinstance(ids.dtype, pd.StringDtype) else ids.astype("str")
