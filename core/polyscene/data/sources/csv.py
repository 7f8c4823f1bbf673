"""CSV and other delimited text, block by block, with the line number of whatever is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc

from polyscene.data.sources.dictionary import columns_for, frame_of
from polyscene.data.sources.parquet import ID_COLUMNS
from polyscene.errors import DataError, Problems, did_you_mean

_SHOWN = 5
_BLOCK_BYTES = 4 << 20


def read_csv(
    path: Path,
    columns: Sequence[str] | None = None,
    *,
    delimiter: str = ",",
    quote: str | None = '"',
    types: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    ids: Sequence[str] = ID_COLUMNS,
    encoding: str = "utf-8",
) -> pd.DataFrame:
    """Reads delimited text; columns named in ``ids`` become categoricals over strings.

    Args:
        path: the file.
        columns: the columns to read; all if ``None``.
        delimiter: the character between fields.
        quote: the character around fields that hold delimiters or line breaks; ``None`` if there is none.
        types: Arrow type names (``float64``, ``int64``, ``string``) of columns; the others are inferred from the
            first megabytes.
        names: the column names of a file without header.
        ids: columns that hold ids; they are read as text whatever they look like.
        encoding: the text encoding.

    Raises:
        DataError: if the file is missing or empty, a line has too few or too many fields (all such lines are
            counted, the first ones shown), a field does not have its column's type, or a column is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("there is no such file", where=str(path), fix="check the path")
    header = list(names) if names is not None else _header(path, delimiter, quote, encoding)
    _check_header(path, header, columns)
    broken: list[str] = []

    def note(row: pc.InvalidRow) -> str:
        broken.append(f"line {row.number} has {row.actual_columns} fields instead of {row.expected_columns}")
        return "skip"  # all broken lines are gathered first; none is dropped silently, see below

    given = {name: pa.type_for_alias(kind) for name, kind in (types or {}).items()}
    kinds = given | {name: pa.string() for name in header if name in ids}
    options = {
        "read_options": pc.ReadOptions(
            use_threads=False,  # with threads Arrow cannot tell the line number
            block_size=_BLOCK_BYTES,
            encoding=encoding,
            column_names=names,
        ),
        "parse_options": pc.ParseOptions(
            delimiter=delimiter,
            quote_char=quote if quote is not None else False,
            newlines_in_values=quote is not None,
            invalid_row_handler=note,
        ),
        "convert_options": pc.ConvertOptions(
            column_types=kinds,
            include_columns=list(columns) if columns is not None else None,
            strings_can_be_null=False,
        ),
    }
    try:
        with pc.open_csv(path, **options) as reader:
            collectors = columns_for(reader.schema, ids, 0)
            for batch in reader:
                for name, collector in collectors.items():
                    collector.append(batch.column(name))
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _parse_error(path, error, header, names is None) from error
    if broken:
        problems = Problems(str(path))
        for line in broken[:_SHOWN]:
            problems.add(line, fix="mend or remove it")
        if len(broken) > _SHOWN:
            problems.add(f"{len(broken) - _SHOWN} more lines have the wrong number of fields")
        problems.raise_if_any(DataError)
    return frame_of(collectors)


def _header(path: Path, delimiter: str, quote: str | None, encoding: str) -> list[str]:
    with path.open(encoding=encoding, errors="replace") as file:
        line = file.readline().rstrip("\r\n")
    if not line:
        raise DataError(
            "the file is empty or lacks its header", where=str(path), fix="give a header line and rows"
        )
    return [name.strip(quote or "") for name in line.lstrip("\ufeff").split(delimiter)]


def _check_header(path: Path, header: list[str], columns: Sequence[str] | None) -> None:
    problems = Problems(str(path))
    for name in columns or ():
        if name not in header:
            problems.add(f"column '{name}' is missing", fix=did_you_mean(name, header))
    for name in sorted({name for name in header if header.count(name) > 1}):
        problems.add(f"column '{name}' occurs more than once", fix="rename one of them")
    problems.raise_if_any(DataError)


def _parse_error(path: Path, error: Exception, header: list[str], has_header: bool) -> DataError:
    text = str(error).splitlines()[0]
    found = re.search(r"column #(\d+): Row #(\d+): (.*)", text)
    if found:
        column, row, what = int(found[1]), int(found[2]), found[3]
        name = header[column] if column < len(header) else f"#{column}"
        return DataError(
            f"line {row}, column '{name}': {what.removeprefix('CSV conversion error to ')}",
            where=str(path),
            fix="mend the value, or give the column's type",
        )
    if "UTF8" in text or isinstance(error, UnicodeDecodeError):
        return DataError(
            f"the text is not in the expected encoding ({text})", where=str(path), fix="give `encoding`"
        )
    if "Empty CSV" in text:
        return DataError("the file is empty", where=str(path), fix="copy or download it again")
    return DataError(f"cannot be read ({text})", where=str(path), fix="check delimiter and quotes")
