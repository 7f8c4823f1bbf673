"""The Complete Journey as tables: one row per household, item and basket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from polyscene import DataAccess, Tables, read_parquet
from polyscene_ecommerce.baskets import basket_rows
from polyscene_ecommerce.products import described_items

if TYPE_CHECKING:
    from polyscene_ecommerce import EcommerceConfig

_PRODUCT_COLUMNS = [
    "item_id",
    "department",
    "product_category",
    "product_type",
    "brand",
    "package_size",
    "manufacturer_id",
]
_DEMOGRAPHICS = [
    "age",
    "income",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_comp",
    "kids_count",
]
_PURCHASE_COLUMNS = ["user_id", "item_id", "basket_id", "quantity", "sales_value", "timestamp"]


def load(config: EcommerceConfig, data: DataAccess) -> Tables:
    """Tables of the households and items that the config keeps.

    Items: ``text`` (type, category, department, brand, size), ``department_path`` and ``brand_path`` for the
    hierarchy encoder. Interactions: ``quantity`` (the value), ``price`` paid per piece, ``basket_size`` in items,
    ``gap_days`` since the household's previous basket, and ``repeat``: 1 where the household had bought the item
    in an earlier basket.

    Raises:
        DataNotAvailable: the data set is neither at hand nor can it be fetched.
        DataError: its files are damaged or lack columns.
    """
    folder = data.path(config.dataset)
    purchases, products, users = (
        _prepared(folder) if (folder / "interactions.parquet").exists() else _wheel(folder)
    )
    dropped: dict[str, int] = {}
    available = purchases["user_id"].nunique()
    purchases = _sampled(purchases, config.households, dropped)
    purchases = _kept(purchases, products, config, dropped)
    interactions = basket_rows(purchases, dropped)
    items = described_items(interactions["item_id"].cat.categories, products, dropped)
    bought = users["user_id"].isin(list(interactions["user_id"].cat.categories))
    users = users.loc[bought].sort_values("user_id", ignore_index=True)
    kept = f"{len(users):,} of the {available:,} households at hand"
    return Tables(
        items=items,
        users=users,
        interactions=interactions,
        value="quantity",
        dropped=dropped,
        sources=(data.origin(config.dataset), f"{kept}, those with the most baskets first"),
    )


def _prepared(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    purchases = read_parquet(
        folder / "interactions.parquet", _PURCHASE_COLUMNS, ids=("user_id", "item_id", "basket_id")
    )
    products = read_parquet(folder / "items.parquet", _PRODUCT_COLUMNS, ids=("item_id", "manufacturer_id"))
    users = read_parquet(folder / "users.parquet", ["user_id", *_DEMOGRAPHICS])
    return purchases, _text_ids(products), _text_ids(users)


def _wheel(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    names = {"household_id": "user_id", "product_id": "item_id"}
    columns = ["household_id", "product_id", "basket_id", "quantity", "sales_value", "transaction_timestamp"]
    purchases = read_parquet(
        folder / "transactions.parquet", columns, ids=("household_id", "product_id", "basket_id")
    ).rename(columns=names)
    time = pd.to_datetime(purchases.pop("transaction_timestamp"))
    purchases["timestamp"] = time.astype("datetime64[s]").astype("int64")
    products = read_parquet(
        folder / "products.parquet", ["product_id", *_PRODUCT_COLUMNS[1:]], ids=("product_id", "manufacturer_id")
    ).rename(columns=names)
    known = read_parquet(
        folder / "demographics.parquet", ["household_id", *_DEMOGRAPHICS], ids=("household_id",)
    ).rename(columns=names)
    users = pd.DataFrame({"user_id": purchases["user_id"].cat.categories.astype("str")})
    return purchases, _text_ids(products), users.merge(_text_ids(known), on="user_id", how="left")


def _text_ids(frame: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in ("user_id", "item_id", "manufacturer_id") if name in frame]
    return frame.astype(dict.fromkeys(keys, "str"))


def _sampled(purchases: pd.DataFrame, households: int, dropped: dict[str, int]) -> pd.DataFrame:
    """Rows of the households with the most baskets; ties go to the lower household id."""
    baskets = _distinct(purchases, "user_id", "basket_id")
    if not households or households >= len(baskets):
        return purchases
    ranked = sorted((-count, _natural(str(name)), str(name)) for name, count in baskets.items())
    others = [name for _, _, name in ranked[households:]]
    dropped["households outside the sample"] = len(others)
    return _without(purchases, "user_id", others, "purchases of households outside the sample", dropped)


def _natural(name: str) -> int:
    return int(name) if name.isdigit() else 0


def _kept(
    purchases: pd.DataFrame, products: pd.DataFrame, config: EcommerceConfig, dropped: dict[str, int]
) -> pd.DataFrame:
    """Rows of goods: real categories, positive quantities, items of enough households; each rule in turn."""
    unwanted = products.loc[products["product_category"].isin(list(config.drop_categories)), "item_id"]
    reason = f"purchases of {' or '.join(config.drop_categories)}"
    purchases = _without(purchases, "item_id", unwanted.to_list(), reason, dropped)
    positive = purchases["quantity"].to_numpy() > 0
    dropped["purchases of a quantity of 0 or less"] = int((~positive).sum())
    purchases = purchases.loc[positive]
    households = _distinct(purchases, "item_id", "user_id")
    rare = [str(name) for name, count in households.items() if count < config.min_households]
    dropped[f"items of fewer than {config.min_households} households"] = len(rare)
    return _without(
        purchases, "item_id", rare, f"purchases of items of fewer than {config.min_households} households", dropped
    )


def _distinct(purchases: pd.DataFrame, of: str, counted: str) -> dict[Any, int]:
    """How many different values of the column ``counted`` each value of ``of`` occurs with."""
    found = purchases.drop_duplicates([of, counted])[of].value_counts()
    return {name: int(count) for name, count in found.items() if count}


def _without(
    purchases: pd.DataFrame, of: str, unwanted: list[str], reason: str, dropped: dict[str, int]
) -> pd.DataFrame:
    kept = ~purchases[of].isin(unwanted).to_numpy(dtype=bool)
    dropped[reason] = int((~kept).sum())
    return purchases.loc[kept]
