"""Products as items: text for the backbone and paths for the hierarchy encoder."""

from __future__ import annotations

import pandas as pd

SEPARATOR = " > "
LEVELS = ("department", "product_category", "product_type")


def described_items(bought: pd.Index, products: pd.DataFrame, dropped: dict[str, int]) -> pd.DataFrame:
    """The items that were bought, sorted by id, with a title, a text and their places in two hierarchies."""
    items = pd.DataFrame({"item_id": sorted(bought.tolist())}).merge(products, on="item_id", how="left")
    known, ids = set(products["item_id"].tolist()), items["item_id"].tolist()
    dropped["items without a product row, kept without text"] = sum(item not in known for item in ids)
    department, category, kind, brand, size, maker = (
        items[name].astype("str").fillna("").to_numpy(dtype=object).tolist()
        for name in (*LEVELS, "brand", "package_size", "manufacturer_id")
    )
    branded = [f"{name} brand" if name else "" for name in brand]
    return pd.DataFrame(
        {
            "item_id": items["item_id"],
            "title": [next(filter(None, names), "") for names in zip(kind, category, department, strict=True)],
            "text": _joined(". ", kind, category, department, branded, size),
            "department": department,
            "department_path": _joined(SEPARATOR, department, category, kind),
            "brand_path": _joined(SEPARATOR, brand, maker),
        }
    )


def _joined(separator: str, *columns: list[str]) -> list[str]:
    return [separator.join(part for part in parts if part) for parts in zip(*columns, strict=True)]
