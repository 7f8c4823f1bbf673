"""Raw table values as labels and numbers; every encoder reads its column through these."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from polyscene.errors import DataError


def unique_labels(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """``(code_N, labels)``: int64 position of each row's label in ``labels``, -1 where it is missing.

    Whole numbers give the same label whether they are stored as integers or, beside a NaN, as floats. An empty
    string is a missing label.
    """
    code_N, uniques = pd.factorize(values)
    labels = [_label(value) for value in np.asarray(uniques, dtype=object)]
    if "" in labels:
        code_N = np.where(code_N == labels.index(""), -1, code_N)
    return code_N.astype(np.int64), labels


def unique_lists(values: pd.Series, split: Callable[[str], Sequence[str]]) -> tuple[np.ndarray, list[list[str]]]:
    """``(code_N, lists)``: ``lists[code_N[n]]`` are the labels of row n (a string is ``split``)."""
    position: dict[str | tuple[str, ...], int] = {}
    code_N = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        if isinstance(value, str):
            key: str | tuple[str, ...] = value
        else:
            key = tuple(_label(label) for label in value) if isinstance(value, (Sequence, np.ndarray)) else ""
        code_N[row] = position.setdefault(key, len(position))
    return code_N, [list(split(key)) if isinstance(key, str) else list(key) for key in position]


def split_tags(separator: str) -> Callable[[str], list[str]]:
    """A splitter for strings such as ``"Drama|War"``; blanks around a tag and empty tags are left out."""
    return lambda text: [tag.strip() for tag in text.split(separator) if tag.strip()]


def numbers(values: pd.Series, where: str) -> np.ndarray:
    """Float64 values with NaN where a value is missing or infinite.

    Raises:
        DataError: the column holds text that is not a number.
    """
    try:
        number_N = pd.Series(pd.to_numeric(values)).to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"column '{values.name}' is declared as a number, but {error}",
            where=where,
            fix="clean the column, or declare it as Category or Text",
        ) from error
    number_N[~np.isfinite(number_N)] = np.nan
    return number_N


def _label(value: object) -> str:
    return str(int(value)) if isinstance(value, (float, np.floating)) and float(value).is_integer() else str(value)
