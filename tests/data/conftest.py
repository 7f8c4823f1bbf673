"""Small tables that the data tests share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from polyscene.data.tables import Tables


@pytest.fixture
def frames() -> Callable[..., dict]:
    """Sound frames for :class:`Tables`, with any of them replaced."""

    def build(**changes: object) -> dict:
        base = {
            "items": pd.DataFrame({"item_id": ["x", "y", "z"], "text": ["Alien", "Heat", "Fargo"]}),
            "interactions": pd.DataFrame(
                {
                    "user_id": ["b", "a", "b", "a"],
                    "item_id": ["y", "x", "x", "z"],
                    "rating": [3.0, 4.0, 5.0, 1.0],
                    "timestamp": [40, 30, 20, 10],
                }
            ),
            "value": "rating",
        }
        return base | changes

    return build


@pytest.fixture(scope="session")
def random_tables() -> Callable[..., Tables]:
    """``random_tables(seed, rows, ...)``: random interactions with repeats and equal times."""
    return _random_tables


def _random_tables(seed: int, rows: int = 300, users: int = 20, items: int = 15, *, shuffle: int = 0) -> Tables:
    """With ``shuffle`` > 0: the same rows in another order."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "user_id": [f"u{i}" for i in rng.integers(users, size=rows)],
            "item_id": [f"i{i}" for i in rng.integers(items, size=rows)],
            "rating": rng.integers(1, 6, size=rows).astype(float),
            "timestamp": rng.integers(0, 50, size=rows),
            "row": np.arange(rows),
        }
    )
    if shuffle:
        frame = frame.sample(frac=1, random_state=shuffle)
    catalogue = pd.DataFrame({"item_id": [f"i{i}" for i in range(items)], "text": "some text"})
    return Tables(items=catalogue, interactions=frame, value="rating")
