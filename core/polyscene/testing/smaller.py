"""A few users of a scenario's data, so that training on it takes seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from polyscene.data.tables import Tables

MANY_ROWS, MANY_ENTITIES = 30_000, 4_000
_IDS = {"user_id": "users", "friend_id": "users", "item_id": "items"}


def smaller(tables: Tables, users: int = 30, nodes: int = 300) -> Tables:
    """The tables of the users with most interactions and of what these interact with; small ones as they are.

    Facts and frames of the scenario's own stay whole, but for rows of users and items that are left out.
    Of a graph, whose users are its items, the nodes with most interactions and what joins these.
    """
    entities = len(tables.items) + len(tables.users)
    if len(tables.interactions) <= MANY_ROWS and entities <= MANY_ENTITIES:
        return tables
    count_U = np.bincount(tables.user_R, minlength=len(tables.users))
    is_graph = tables.user_ids.tolist() == tables.item_ids.tolist()
    kept_U = np.zeros(len(count_U), dtype=bool)
    kept_U[np.argsort(-count_U, kind="stable")[: nodes if is_graph else users]] = True
    row_R = kept_U[tables.user_R] & (kept_U[tables.item_R] if is_graph else True)
    kept_N = np.zeros(len(tables.items), dtype=bool)
    kept_N[tables.item_R[row_R]] = True
    kept_N |= kept_U if is_graph else False
    kept = {"users": set(tables.user_ids[kept_U]), "items": set(tables.item_ids[kept_N])}
    interactions = tables.interactions.loc[row_R].reset_index(drop=True)
    return replace(
        tables,
        items=tables.items.loc[kept_N].reset_index(drop=True),
        users=tables.users.loc[kept_U].reset_index(drop=True),
        interactions=interactions.astype({"user_id": "str", "item_id": "str"}),
        links=None if tables.links is None else _of(tables.links, kept),
        extra={name: _of(frame, kept) for name, frame in tables.extra.items()},
    )


def _of(frame: pd.DataFrame, kept: dict[str, set[str]]) -> pd.DataFrame:
    for column, table in _IDS.items():
        if column in frame:
            frame = frame.loc[frame[column].astype("str").isin(sorted(kept[table]))]
    return frame.reset_index(drop=True)
