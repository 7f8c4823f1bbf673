"""Purchases as events: one per household, item and basket, with what is known about the step."""

from __future__ import annotations

import numpy as np
import pandas as pd

_SECONDS_PER_DAY = 86_400.0


def basket_rows(purchases: pd.DataFrame, dropped: dict[str, int]) -> pd.DataFrame:
    """One row per household, item and basket, oldest first, with what is known about the step."""
    keys = ["user_id", "basket_id", "item_id"]
    # With the categories in order the rows come out alike from whichever files they were read.
    purchases = purchases.assign(**{name: _in_order(pd.Categorical(purchases[name])) for name in keys})
    codes = {name: purchases[name].cat.codes.to_numpy() for name in keys}
    order = np.lexsort((codes["item_id"], codes["basket_id"], purchases["timestamp"].to_numpy(), codes["user_id"]))
    rows = purchases.iloc[order].reset_index(drop=True)
    codes = {name: code[order] for name, code in codes.items()}
    first = np.append(True, np.any([code[1:] != code[:-1] for code in codes.values()], axis=0))
    group = np.cumsum(first) - 1
    totals = {name: np.bincount(group, weights=rows[name]) for name in ("quantity", "sales_value")}
    dropped["rows merged into one per household, item and basket"] = int((~first).sum())
    rows = rows[first].reset_index(drop=True)
    rows["quantity"], rows["price"] = totals["quantity"], (totals["sales_value"] / totals["quantity"])
    new_basket = np.append(
        True, np.any([codes[name][first][1:] != codes[name][first][:-1] for name in keys[:2]], axis=0)
    )
    basket = np.cumsum(new_basket) - 1
    rows["basket_size"] = np.bincount(basket)[basket]
    rows["gap_days"] = _gap_days(rows["timestamp"].to_numpy(), codes["user_id"][first], new_basket)[basket]
    rows["repeat"] = rows.duplicated(["user_id", "item_id"])
    numbers = ["quantity", "price", "basket_size", "gap_days", "repeat"]
    rows = rows.drop(columns=["basket_id", "sales_value"])
    return rows.astype(dict.fromkeys(numbers, "float32"))


def _in_order(ids: pd.Categorical) -> pd.Categorical:
    """The same ids with the categories that occur, sorted."""
    used = np.unique(ids.codes)
    names = ids.categories[used].to_numpy(dtype=object)
    order = np.argsort(names)
    code = np.empty(len(ids.categories), dtype=np.int32)
    code[used[order]] = np.arange(len(used))
    return pd.Categorical.from_codes(code[ids.codes], categories=pd.Index(names[order], dtype="str"))


def _gap_days(time_R: np.ndarray, user_R: np.ndarray, new_basket_R: np.ndarray) -> np.ndarray:
    """Days between each basket and the household's previous one, NaN for its first."""
    time, user = time_R[new_basket_R], user_R[new_basket_R]
    gap = np.append(np.nan, np.diff(time) / _SECONDS_PER_DAY)
    gap[np.append(True, user[1:] != user[:-1])] = np.nan
    return gap
