"""Readers of files. Ids come out as categoricals over strings, and every error names file, line or column."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from polyscene.data.sources.atomic import read_atomic
from polyscene.data.sources.csv import read_csv
from polyscene.data.sources.parquet import read_parquet


def read_frame(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Reads a Parquet (``.parquet``) or CSV (any other ending) file."""
    return read_parquet(path, columns) if Path(path).suffix == ".parquet" else read_csv(path, columns)


__all__ = ["read_atomic", "read_csv", "read_frame", "read_parquet"]
