"""The few rows on which the kit trains a scenario."""

from __future__ import annotations

import numpy as np
import pandas as pd

from polyscene import Tables, generate
from polyscene.testing.smaller import MANY_ROWS, smaller


def test_small_tables_stay_as_they_are() -> None:
    tables = generate(users=50, items=40, interactions=500)
    assert smaller(tables) is tables


def test_the_users_with_most_rows_are_kept_with_what_they_interact_with() -> None:
    tables = generate(users=500, items=400, interactions=MANY_ROWS + 1)
    few = smaller(tables, users=20)
    counts = tables.interactions["user_id"].value_counts()
    assert len(few.users) == 20
    assert counts[few.user_ids].min() >= counts.drop(few.user_ids).max()
    assert set(few.items["item_id"]) == set(few.interactions["item_id"])
    assert len(few.interactions) == counts[few.user_ids].sum()


def test_of_a_graph_the_same_nodes_stay_on_both_sides() -> None:
    rng = np.random.default_rng(0)
    nodes = [f"n{number:04}" for number in range(1000)]
    ends = rng.integers(0, len(nodes), (MANY_ROWS + 1, 2)) ** 2 // len(nodes)
    joined = pd.DataFrame({"user_id": np.array(nodes)[ends[:, 0]], "item_id": np.array(nodes)[ends[:, 1]]})
    frames = pd.DataFrame({"user_id": nodes}), pd.DataFrame({"item_id": nodes})
    few = smaller(Tables(users=frames[0], items=frames[1], interactions=joined), nodes=50)
    assert few.user_ids.tolist() == few.item_ids.tolist()
    assert len(few.users) == 50
    assert len(few.interactions) > 50
