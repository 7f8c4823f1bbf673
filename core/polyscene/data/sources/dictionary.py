"""Columns read batch by batch into arrays that are allocated once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from polyscene.data.ids import categorical


class IdColumn:
    """Ids as int32 codes into a list of distinct strings that grows from batch to batch."""

    def __init__(self, rows: int) -> None:
        self.code_R = np.empty(rows, dtype=np.int32)
        self.filled = 0
        self.known: pa.Array = pa.array([], pa.string())

    def append(self, values: pa.Array) -> None:
        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        ids = encoded.dictionary.cast(pa.string())
        position_I = pc.call_function("index_in", [ids], pc.SetLookupOptions(value_set=self.known))
        fresh_I = position_I.is_null().to_numpy(zero_copy_only=False)
        position = np.append(position_I.fill_null(-1).to_numpy(), np.int32(-1))
        if fresh_I.any():
            position[:-1][fresh_I] = len(self.known) + np.arange(fresh_I.sum())
            self.known = pa.concat_arrays([self.known, ids.filter(pa.array(fresh_I))])
        index = encoded.indices.fill_null(len(ids)).to_numpy(zero_copy_only=False)
        self.code_R = _with_room(self.code_R, self.filled + len(index))
        self.code_R[self.filled : self.filled + len(index)] = position[index]
        self.filled += len(index)

    def finish(self) -> pd.Categorical:
        # Rows keep their codes: the ids stay in the order in which they were first met.
        return categorical(self.code_R[: self.filled], pd.Index(self.known.to_pandas(), dtype="str"))


class NumberColumn:
    """Numbers in their own type; a missing value turns the column into float64 with NaN."""

    def __init__(self, rows: int, dtype: np.dtype) -> None:
        self.value_R = np.empty(rows, dtype=dtype)
        self.filled = 0

    def append(self, values: pa.Array) -> None:
        part = values.to_numpy(zero_copy_only=False)  # integers with missing values arrive as float64
        self.value_R = _with_room(self.value_R, self.filled + len(part))
        if part.dtype.kind == "f" and self.value_R.dtype.kind != "f":
            self.value_R = self.value_R.astype(np.float64)
        self.value_R[self.filled : self.filled + len(part)] = part
        self.filled += len(part)

    def finish(self) -> np.ndarray:
        return self.value_R[: self.filled]


class OtherColumn:
    """Text, lists and whatever else Arrow knows, handed to pandas at the end."""

    def __init__(self, kind: pa.DataType) -> None:
        self.kind, self.chunks = kind, []

    def append(self, values: pa.Array) -> None:
        self.chunks.append(values)

    def finish(self) -> object:
        return pa.chunked_array(self.chunks, type=self.kind).to_pandas().array


def columns_for(
    schema: pa.Schema, ids: Sequence[str], rows: int
) -> dict[str, IdColumn | NumberColumn | OtherColumn]:
    """An empty collector per column of the schema."""
    collectors: dict[str, IdColumn | NumberColumn | OtherColumn] = {}
    for field in schema:
        if field.name in ids:
            collectors[field.name] = IdColumn(rows)
        elif pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
            collectors[field.name] = NumberColumn(rows, np.dtype(field.type.to_pandas_dtype()))
        else:
            collectors[field.name] = OtherColumn(field.type)
    return collectors


def frame_of(collectors: dict[str, IdColumn | NumberColumn | OtherColumn]) -> pd.DataFrame:
    """The collected columns as a frame, without copying them."""
    return pd.DataFrame({name: collector.finish() for name, collector in collectors.items()}, copy=False)


def _with_room(array: np.ndarray, rows: int) -> np.ndarray:
    if rows <= len(array):
        return array
    grown = np.empty(max(rows, len(array) * 3 // 2), dtype=array.dtype)
    grown[: len(array)] = array
    return grown
