"""Parquet files, row group by row group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polyscene.data.sources.dictionary import columns_for, frame_of
from polyscene.errors import DataError, Problems, did_you_mean

ID_COLUMNS = ("user_id", "item_id", "friend_id", "head", "relation", "tail")
_BATCH_ROWS = 1 << 17


def read_parquet(
    path: Path, columns: Sequence[str] | None = None, *, ids: Sequence[str] = ID_COLUMNS
) -> pd.DataFrame:
    """Reads a Parquet file; columns named in ``ids`` become categoricals over strings.

    Memory beside the result is one row group, so a file larger than a third of the memory can still be read.

    Args:
        path: the file.
        columns: the columns to read; all if ``None``.
        ids: columns that hold ids (text or whole numbers).

    Raises:
        DataError: if the file is missing, empty, cut off or damaged, or lacks a column.
    """
    path = Path(path)
    _check_file(path)
    try:
        with pq.ParquetFile(path, read_dictionary=_text_ids(path, ids)) as file:
            schema = file.schema_arrow
            _check_columns(path, schema.names, columns)
            wanted = list(columns) if columns is not None else schema.names
            fields = pa.schema([schema.field(name) for name in wanted])
            collectors = columns_for(fields, ids, file.metadata.num_rows)
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group], columns=wanted):
                    for name, collector in collectors.items():
                        collector.append(batch.column(name))
                pa.default_memory_pool().release_unused()  # or freed row groups pile up in the allocator
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"cannot be read as Parquet ({str(error).splitlines()[0]})",
            where=str(path),
            fix="the file is damaged or cut off: copy or download it again",
        ) from error
    return frame_of(collectors)


def _text_ids(path: Path, ids: Sequence[str]) -> list[str]:
    return [
        field.name
        for field in pq.read_schema(path)
        if field.name in ids and (pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
    ]


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise DataError("there is no such file", where=str(path), fix="check the path")
    if path.stat().st_size == 0:
        raise DataError("the file is empty (0 bytes)", where=str(path), fix="copy or download it again")


def _check_columns(path: Path, present: Sequence[str], wanted: Sequence[str] | None) -> None:
    problems = Problems(str(path))
    for name in wanted or ():
        if name not in present:
            problems.add(f"column '{name}' is missing", fix=did_you_mean(name, present))
    problems.raise_if_any(DataError)
