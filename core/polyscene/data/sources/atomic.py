"""RecBole's atomic files: tab separated, with a type after each column name (``rating:float``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from polyscene.data.sources.csv import read_csv
from polyscene.data.sources.parquet import ID_COLUMNS
from polyscene.errors import DataError, Problems, did_you_mean

_ARROW = {"token": "string", "token_seq": "string", "float": "float64", "float_seq": "string"}


def read_atomic(
    path: Path,
    columns: Sequence[str] | None = None,
    *,
    rename: Mapping[str, str] | None = None,
    ids: Sequence[str] = ID_COLUMNS,
) -> pd.DataFrame:
    """Reads an atomic file into columns without the type suffix; sequences stay text, separated by spaces.

    Args:
        path: the file.
        columns: the columns to read (names in the file, without the type); all if ``None``.
        rename: new names of columns, applied at last.
        ids: columns that hold ids (names in the file).

    Raises:
        DataError: as :func:`read_csv`, and if a header field has no known type.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("there is no such file", where=str(path), fix="check the path")
    with path.open(encoding="utf-8", errors="replace") as file:
        header = file.readline().rstrip("\r\n").lstrip("\ufeff").split("\t")
    kinds: dict[str, str] = {}
    problems = Problems(str(path))
    for entry in header:
        name, _, kind = entry.rpartition(":")
        if kind in _ARROW and name:
            kinds[name] = kind
        else:
            problems.add(
                f"header field '{entry}' has no type", fix=f"write name:type with one of {', '.join(_ARROW)}"
            )
    for name in columns or ():
        if name not in kinds and not problems.found:
            problems.add(f"column '{name}' is missing", fix=did_you_mean(name, kinds))
    problems.raise_if_any(DataError)
    wanted = list(columns) if columns is not None else list(kinds)
    frame = read_csv(
        path,
        [f"{name}:{kinds[name]}" for name in wanted],
        delimiter="\t",
        quote=None,  # titles hold single quotation marks that open nothing
        types={f"{name}:{kind}": _ARROW[kind] for name, kind in kinds.items()},
        ids=[f"{name}:{kind}" for name, kind in kinds.items() if name in ids],
    )
    return frame.set_axis([(rename or {}).get(name, name) for name in wanted], axis="columns")
