"""Products as items: text for the backbone and paths for the hierarchy encoder."""

from __future__ import annotations

import pandas as pd

SEPARATOR = " > "
LEVELS = ("department", "product_category", "product_type")


def described_items(bought: pd.Series, products: pd.DataFrame, dropped: dict[str, int]) -> pd.DataFrame:
    """The items that were bought, sorted by id, with a title, a text and their places in two hierarchies."""
    items = pd.DataFrame({"item_id": sorted(bought.cat.categories)}).merge(products, on="item_id", how="left")
    missing = int((~items["item_id"].isin(products["item_id"])).sum())
    dropped["items without a product row, kept without text"] = missing
    known = items[["product_type", "product_category", "department"]].fillna("")
    title = known["product_type"].where(known["product_type"] != "", known["product_category"])
    items["title"] = title.where(title != "", known["department"])
    brand = items["brand"].astype("str").where(items["brand"].notna(), "")
    described = [
        known["product_type"],
        known["product_category"],
        known["department"],
        (brand + " brand").where(brand != "", ""),
        items["package_size"].fillna(""),
    ]
    maker = items["manufacturer_id"].astype("str").where(items["manufacturer_id"].notna(), "")
    return pd.DataFrame(
        {
            "item_id": items["item_id"],
            "title": items["title"],
            "text": _joined(described, ". "),
            "department_path": _joined([known[name] for name in LEVELS], SEPARATOR),
            "brand_path": _joined([brand, maker], SEPARATOR),
        }
    )


def _joined(columns: list[pd.Series], separator: str) -> list[str]:
    return [separator.join(part for part in parts if part) for parts in zip(*columns, strict=True)]
