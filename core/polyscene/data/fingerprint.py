"""A digest of data frames that depends on their content and on nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

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
        _update(digest, array.categories.array)
        _update_numbers(digest, array.codes)
    elif isinstance(array, np.ndarray) and array.dtype.kind in "biuf":
        _update_numbers(digest, array)
    else:
        digest.update(b"text")
        for block in blocks(len(array), _TEXT_BLOCK):
            digest.update(_as_json(array[block]))


def _update_numbers(digest: Any, values: np.ndarray) -> None:
    # Codes of 8, 16 and 32 bits mean the same, so their width must not enter the digest.
    wide = np.int64 if values.dtype.kind in "biu" else values.dtype
    digest.update(np.dtype(wide).str.encode())
    for block in blocks(len(values)):
        digest.update(np.ascontiguousarray(values[block], dtype=wide).data)


def _as_json(values: Any) -> bytes:
    """The JSON of a list of values; plain texts, as ids and names of relations are, without an object for each."""
    if isinstance(values.dtype, pd.StringDtype):
        text = pa.array(values, pa.large_string())
        if isinstance(text, pa.LargeStringArray) and len(text) and not text.null_count and _is_plain(text):
            whole = pa.LargeListArray.from_arrays(pa.array([0, len(text)], pa.int64()), text)
            joined = pc.call_function("binary_join", [whole, pa.scalar('", "', pa.large_string())])
            return b'["' + joined[0].as_buffer().to_pybytes() + b'"]'
    return json.dumps(_plain_block(np.asarray(values, dtype=object))).encode()


def _is_plain(text: pa.LargeStringArray) -> bool:
    """Whether JSON writes all texts as they are: ASCII without control characters, quotes and backslashes."""
    _, ends, content = text.buffers()
    end_N = np.frombuffer(ends, dtype=np.int64)[text.offset : text.offset + len(text) + 1]
    byte_N = np.frombuffer(content or b"", dtype=np.uint8)[end_N[0] : end_N[-1]]
    special = (byte_N < ord(" ")) | (byte_N > ord("~")) | (byte_N == ord('"')) | (byte_N == ord("\\"))
    return not special.any()


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
