"""Facts and links from files: tab separated text, Parquet, and RecBole's .kg and .link."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from polyscene.data.sources.atomic import read_atomic
from polyscene.data.sources.csv import read_csv
from polyscene.data.sources.parquet import read_parquet
from polyscene.errors import DataError

FACT = ("head", "relation", "tail")
LINK = ("item_id", "entity")
_ATOMIC = {".kg": ("head_id", "relation_id", "tail_id"), ".link": ("item_id", "entity_id")}
_DELIMITERS = {".tsv": "\t", ".txt": "\t", ".csv": ","}
SUFFIXES = (*_ATOMIC, *_DELIMITERS, ".parquet")
"""Endings of file names that :func:`read_facts` and :func:`read_links` know."""


def read_facts(path: Path) -> pd.DataFrame:
    """Facts as text columns ``head``, ``relation``, ``tail``, one row per line of the file.

    The ending of the name says what it is: ``.kg`` (RecBole: ``head_id:token`` and so on), ``.tsv`` or ``.txt``
    (tab separated) and ``.csv`` with or without a header line ``head, relation, tail``, or ``.parquet`` with
    columns of these names.

    Raises:
        DataError: there is no such file or ending, it holds no fact, a line has too few or too many fields, or a
            field is empty; with the number of the line.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "facts.tsv"
        >>> _ = path.write_text("Alien\\tgenre\\thorror\\n")
        >>> read_facts(path).to_numpy().tolist()
        [['Alien', 'genre', 'horror']]
    """
    return _read(path, FACT, "fact")


def read_links(path: Path) -> pd.DataFrame:
    """Which item an entity is: text columns ``item_id`` and ``entity``, from the same kinds of files as facts.

    Raises:
        DataError: as :func:`read_facts`.
    """
    return _read(path, LINK, "link")


def _read(path: Path, columns: Sequence[str], what: str) -> pd.DataFrame:
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise DataError(
            f"a file of {what}s cannot end in '{path.suffix}'", where=str(path), fix=f"use {', '.join(SUFFIXES)}"
        )
    first_line = 2
    if path.suffix in _ATOMIC:
        names = next(names for names in _ATOMIC.values() if len(names) == len(columns))
        frame = read_atomic(path, names, rename=dict(zip(names, columns, strict=True)), ids=names)
    elif path.suffix == ".parquet":
        frame, first_line = read_parquet(path, columns, ids=columns), 0
    else:
        delimiter = _DELIMITERS[path.suffix]
        has_header = _first_fields(path, delimiter) == list(columns)
        first_line = 2 if has_header else 1
        quote = '"' if delimiter == "," else None
        frame = read_csv(
            path, delimiter=delimiter, quote=quote, ids=columns, names=None if has_header else columns
        )
    if frame.empty:
        raise DataError(f"the file holds no {what}", where=str(path), fix="copy or make it again")
    empty = (frame.isna() | (frame.astype("str").apply(lambda column: column.str.strip()) == "")).any(axis=1)
    if empty.any():
        place = f"row {int(empty.argmax())}" if first_line == 0 else f"line {int(empty.argmax()) + first_line}"
        raise DataError(
            f"{int(empty.sum())} {what}s have an empty field, the first in {place}",
            where=str(path),
            fix="fill it in or remove the row",
        )
    return frame.astype("str")


def _first_fields(path: Path, delimiter: str) -> list[str]:
    if not path.is_file():
        raise DataError("there is no such file", where=str(path), fix="check the path")
    with path.open(encoding="utf-8", errors="replace") as file:
        line = file.readline().rstrip("\r\n").lstrip("\ufeff")
    if not line.strip():
        raise DataError("the file is empty", where=str(path), fix="copy or make it again")
    return [field.strip('" ') for field in line.split(delimiter)]
