"""Checks of tables: every problem is found and told in one go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from polyscene.data.ids import align, blocks, categorical, counts, encode, series, values_of, where
from polyscene.data.numbers import numbers, seconds
from polyscene.errors import DataError, Problems

_KEYS = {
    "items": ("item_id",),
    "users": ("user_id",),
    "interactions": ("user_id", "item_id"),
    "links": ("user_id", "friend_id"),
    "facts": ("head", "relation", "tail"),
}


def checked_tables(
    items: pd.DataFrame,
    interactions: pd.DataFrame,
    users: pd.DataFrame | None,
    links: pd.DataFrame | None,
    facts: pd.DataFrame | None,
    *,
    value: str,
) -> dict[str, Any]:
    """The normalized frames by name (see :class:`polyscene.data.tables.Tables`).

    Raises:
        DataError: with every problem found.
    """
    problems = Problems("tables")
    given = {"items": items, "users": users, "interactions": interactions, "links": links, "facts": facts}
    wanted = {name: frame for name, frame in given.items() if frame is not None}
    for name, frame in wanted.items():
        extra = (value,) if value and name == "interactions" else ()
        _check_shape(name, frame, _KEYS[name] + extra, problems)
    problems.raise_if_any(DataError)  # the checks below need the columns to be there

    result: dict[str, Any] = {"items": _entities("items", "item_id", items, problems)}
    item_ids = pd.Index(result["items"]["item_id"])
    result["users"] = _users_of(interactions) if users is None else _entities("users", "user_id", users, problems)
    user_ids = pd.Index(result["users"]["user_id"])
    result["interactions"] = _interactions(interactions, user_ids, item_ids, value, problems)
    for name, ids in (("users", user_ids), ("items", item_ids)):
        if len(ids) == 1:
            problems.add(
                f"{name} holds a single row ('{ids[0]}')", fix="at least two are needed to compare anything"
            )
    if links is not None:
        result["links"] = _references("links", links, {"user_id": user_ids, "friend_id": user_ids}, problems)
    if facts is not None:
        result["facts"] = _references("facts", facts, {"head": None, "relation": None, "tail": None}, problems)
    problems.raise_if_any(DataError)
    return result


def _check_shape(name: str, frame: Any, columns: tuple[str, ...], problems: Problems) -> None:
    if not isinstance(frame, pd.DataFrame):
        problems.add(f"{name} is a {type(frame).__name__}", fix="give a pandas DataFrame")
        return
    repeated = frame.columns[frame.columns.duplicated()].unique()
    for column in repeated:
        problems.add(f"{name}.{column} occurs more than once", fix="rename or remove the repeated column")
    for column in columns:
        if column not in frame.columns:
            has = ", ".join(map(str, frame.columns)) or "no columns"
            problems.add(f"{name}.{column} is missing", fix=f"add or rename a column (the table has {has})")
    if frame.empty and name in ("items", "users", "interactions", "facts"):
        problems.add(f"{name} is empty", fix="check the source and the filters of the loader")


def _entities(table: str, key: str, frame: pd.DataFrame, problems: Problems) -> pd.DataFrame:
    """The table with its key as text, checked to be complete and unique."""
    try:
        codes, ids = _encoded(series(frame, key))
    except TypeError as error:
        _wrong_id_type(table, key, series(frame, key), error, problems)
        return frame.assign(**{key: frame[key].astype("str")})
    _report_missing(table, key, codes, problems)
    seen = counts(codes, len(ids))
    if (seen > 1).any():
        names = [f"'{ids[i]}' ({seen[i]} rows)" for i in np.flatnonzero(seen > 1)[:3]]
        problems.add(
            f"{table}.{key} holds {int((seen > 1).sum())} ids more than once, such as {', '.join(names)}",
            fix="keep one row per id",
        )
    result = frame.reset_index(drop=True)
    result[key] = ids.take(np.maximum(codes, 0)) if len(ids) else ids
    return result


def _users_of(interactions: pd.DataFrame) -> pd.DataFrame:
    try:
        codes, ids = _encoded(series(interactions, "user_id"))
    except TypeError:
        return pd.DataFrame({"user_id": pd.Series(dtype="str")})  # reported with the interactions
    occurring = ids[counts(codes, len(ids)) > 0]
    return pd.DataFrame({"user_id": occurring.sort_values()})


def _interactions(
    frame: pd.DataFrame, user_ids: pd.Index, item_ids: pd.Index, value: str, problems: Problems
) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name in frame.columns:
        column = series(frame, name)
        if name == "user_id":
            columns[name] = _reference("interactions", name, column, user_ids, "users", problems=problems)
        elif name == "item_id":
            columns[name] = _reference("interactions", name, column, item_ids, "items", problems=problems)
        elif name == value:
            columns[name] = numbers(f"interactions.{name}", column, problems)
        elif name == "timestamp":
            time_R = seconds(f"interactions.{name}", column, problems)
            if time_R is not None:
                columns[name] = time_R
        else:
            columns[name] = values_of(column)
    # The frame takes the arrays as they are: a copy would double the memory.
    return pd.DataFrame({name: column for name, column in columns.items() if column is not None}, copy=False)


def _references(
    table: str, frame: pd.DataFrame, known: dict[str, pd.Index | None], problems: Problems
) -> pd.DataFrame:
    result = frame.reset_index(drop=True)
    for column, ids in known.items():
        checked = _reference(table, column, series(frame, column), ids, "users", problems=problems)
        if checked is not None:
            result[column] = checked.astype("str")
    return result


def _reference(
    table: str, key: str, column: pd.Series, known: pd.Index | None, target: str, *, problems: Problems
) -> pd.Categorical | None:
    """The column as a categorical over ``known`` ids; ids that point nowhere are problems."""
    try:
        codes, ids = _encoded(column)
    except TypeError as error:
        _wrong_id_type(table, key, column, error, problems)
        return None
    _report_missing(table, key, codes, problems)
    if known is None:
        return categorical(codes, ids)
    if not known.is_unique:
        return None  # reported where the ids are defined
    aligned = align(codes, ids, known)
    total, rows = where((aligned[b] == -1) & (codes[b] != -1) for b in blocks(len(codes)))
    if total:
        names = ", ".join(f"'{ids[codes[row]]}' (row {row})" for row in rows)
        problems.add(
            f"{table}.{key} names ids that {target} lacks in {total} rows, such as {names}",
            fix=f"add them to {target}, or drop these rows and count them in `dropped`",
        )
        return None
    return categorical(aligned, known)


def _encoded(column: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Codes and ids of a column; an empty text, which is how CSV files leave an id out, is a missing one."""
    codes, ids = encode(column)
    empty = ids.get_indexer_for([""])[0]
    return (codes if empty < 0 else np.where(codes == empty, codes.dtype.type(-1), codes)), ids


def _report_missing(table: str, key: str, codes: np.ndarray, problems: Problems) -> None:
    total, rows = where(codes[block] == -1 for block in blocks(len(codes)))
    if total:
        problems.add(
            f"{table}.{key} is missing in {total} rows, such as {', '.join(f'row {row}' for row in rows)}",
            fix="give every row an id, or drop these rows and count them in `dropped`",
        )


def _wrong_id_type(table: str, key: str, column: pd.Series, error: TypeError, problems: Problems) -> None:
    example = column.iloc[0] if len(column) else ""
    problems.add(
        f"{table}.{key} has the type {error}, with values such as {example!r}",
        fix="ids must be text or whole numbers",
    )
