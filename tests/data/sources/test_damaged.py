"""The readers under the kit: damaged files of every format end in a message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from polyscene.data.sources import read_atomic, read_csv, read_parquet
from polyscene.data.tables import Tables
from polyscene.testing import SourceSuite

PLAYS = pd.DataFrame(
    {
        "user_id": [f"u{n % 7}" for n in range(60)],
        "item_id": [f"i{n % 11}" for n in range(60)],
        "rating": [1.0 + n % 5 for n in range(60)],
        "timestamp": range(1_600_000_000, 1_600_000_060),
    }
)
ITEMS = pd.DataFrame({"item_id": [f"i{n}" for n in range(11)], "text": [f"title {n}" for n in range(11)]})


def tables(folder: Path, read: Callable[..., pd.DataFrame], ending: str) -> Tables:
    plays = read(folder / f"plays.{ending}", list(PLAYS.columns))
    items = read(folder / f"items.{ending}", list(ITEMS.columns))
    return Tables(items=items, interactions=plays, value="rating", sources=(f"folder {folder}",))


class TestCsv(SourceSuite):
    def write(self, folder: Path) -> None:
        PLAYS.to_csv(folder / "plays.csv", index=False)
        ITEMS.to_csv(folder / "items.csv", index=False)

    def load(self, folder: Path) -> Tables:
        return tables(folder, read_csv, "csv")


class TestParquet(SourceSuite):
    def write(self, folder: Path) -> None:
        PLAYS.to_parquet(folder / "plays.parquet", index=False)
        ITEMS.to_parquet(folder / "items.parquet", index=False)

    def load(self, folder: Path) -> Tables:
        return tables(folder, read_parquet, "parquet")


class TestAtomic(SourceSuite):
    def write(self, folder: Path) -> None:
        plays = PLAYS.set_axis(["user_id:token", "item_id:token", "rating:float", "timestamp:float"], axis=1)
        plays.to_csv(folder / "plays.inter", sep="\t", index=False)
        ITEMS.set_axis(["item_id:token", "text:token_seq"], axis=1).to_csv(
            folder / "items.inter", sep="\t", index=False
        )

    def load(self, folder: Path) -> Tables:
        return tables(folder, read_atomic, "inter")
