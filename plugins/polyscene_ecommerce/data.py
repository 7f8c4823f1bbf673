"""The Complete Journey as tables: one row per household, item and basket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
    items = described_items(interactions["item_id"], products, dropped)
    users = users[users["user_id"].isin(interactions["user_id"])].sort_values("user_id")
    count = f"{interactions['user_id'].nunique():,} of the {available:,} households at hand"
    return Tables(
        items=items,
        users=users,
        interactions=interactions,
        value="quantity",
        dropped=dropped,
        sources=(data.origin(config.dataset), f"the {count} with the most baskets"),
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
    baskets = purchases.drop_duplicates(["user_id", "basket_id"])["user_id"].value_counts()
    baskets = baskets[baskets > 0]
    if not households or households >= len(baskets):
        return purchases
    by_id = baskets.loc[sorted(baskets.index, key=_natural)]
    chosen = by_id.sort_values(ascending=False, kind="stable").index[:households]
    rows = purchases["user_id"].isin(chosen)
    dropped["households outside the sample"] = len(baskets) - households
    dropped["purchases of households outside the sample"] = int((~rows).sum())
    return purchases[rows]


def _natural(name: str) -> tuple[int, str]:
    return (int(name) if name.isdigit() else 0, name)


def _kept(
    purchases: pd.DataFrame, products: pd.DataFrame, config: EcommerceConfig, dropped: dict[str, int]
) -> pd.DataFrame:
    """Rows of goods: real categories, positive quantities, items of enough households; each rule in turn."""
    unwanted = products.loc[products["product_category"].isin(list(config.drop_categories)), "item_id"]
    reason = f"purchases of {' or '.join(config.drop_categories)}"
    purchases = _without(purchases, purchases["item_id"].isin(unwanted), reason, dropped)
    purchases = _without(purchases, purchases["quantity"] <= 0, "purchases of a quantity of 0 or less", dropped)
    households = purchases.drop_duplicates(["user_id", "item_id"])["item_id"].value_counts()
    rare = households.index[(households > 0) & (households < config.min_households)]
    dropped[f"items of fewer than {config.min_households} households"] = len(rare)
    reason = f"purchases of items of fewer than {config.min_households} households"
    return _without(purchases, purchases["item_id"].isin(rare), reason, dropped)


def _without(purchases: pd.DataFrame, unwanted: pd.Series, reason: str, dropped: dict[str, int]) -> pd.DataFrame:
    dropped[reason] = int(unwanted.sum())
    return purchases[~unwanted]
