"""A digest of data frames that depends on their content and on nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from polyscene.data.ids import blocks, series, values_of

_TEXT_BLOCK = 1 << 16


def fingerprint(frames: Mapping[str, pd.DataFrame], salt: str = "") -> str:
    """sha256 over names, types and values of all columns, block by block (no copy of a whole column).

    Rows count in their order, columns in the order of their names.
    """
    digest = hashlib.sha256(salt.encode())
    for table in sorted(frames):
        frame = frames[table]
        digest.update(f"\0{table}\0{len(frame)}".encode())
        for name in sorted(frame.columns):
            digest.update(f"\0{name}\0".encode())
            _update(digest, values_of(series(frame, name)))
    return digest.hexdigest()


def _update(digest: Any, array: Any) -> None:
    if isinstance(array, pd.Categorical):
        _update(digest, array.categories.to_numpy(dtype=object))
        _update_numbers(digest, array.codes)
    elif isinstance(array, np.ndarray) and array.dtype.kind in "biuf":
        _update_numbers(digest, array)
    else:
        digest.update(b"text")
        for block in blocks(len(array), _TEXT_BLOCK):
            digest.update(json.dumps(_plain_block(np.asarray(array[block], dtype=object))).encode())


def _update_numbers(digest: Any, values: np.ndarray) -> None:
    # Codes of 8, 16 and 32 bits mean the same, so their width must not enter the digest.
    wide = np.int64 if values.dtype.kind in "biu" else values.dtype
    digest.update(np.dtype(wide).str.encode())
    for block in blocks(len(values)):
        digest.update(np.ascontiguousarray(values[block], dtype=wide).data)


def _plain_block(values: np.ndarray) -> list[Any]:
    """What JSON holds of values: texts as they are, without a call for each of millions."""
    if pd.api.types.infer_dtype(values, skipna=True) == "string":
        present = values.copy()
        present[pd.isna(values)] = None
        return present.tolist()
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(one) for one in value]
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    return (
        value.item() if isinstance(value, np.generic) else value if isinstance(value, int | float) else str(value)
    )
