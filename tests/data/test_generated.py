"""Generated data has the structure that it claims."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.data import generated
from polyscene.data.generated import generate, write_generated
from polyscene.data.sources import read_parquet
from polyscene.data.tables import Tables
from polyscene.errors import ConfigError


def test_users_prefer_their_cluster_and_texts_tell_it():
    tables = generate(users=100, items=80, interactions=8000, seed=3, clusters=8, affinity=0.8)
    of_item = tables.items["cluster"].to_numpy()[tables.item_R]
    of_user = tables.users["cluster"].to_numpy()[tables.user_R]
    assert abs((of_item == of_user).mean() - (0.8 + 0.2 / 8)) < 0.02
    assert tables.value_R[of_item == of_user].mean() > tables.value_R[of_item != of_user].mean() + 1
    words = tables.items["text"].str.split().str[1:3]
    for cluster, mine in words.groupby(tables.items["cluster"]):
        others = set(words[tables.items["cluster"] != cluster].explode())
        assert not set(mine.explode()) & others
    assert np.all(np.diff(tables.time_R) > 0)
    assert all("GENERATED" in source for source in tables.sources)


def test_same_seed_same_tables():
    assert generate(seed=1).fingerprint() == generate(seed=1).fingerprint()
    assert generate(seed=1).fingerprint() != generate(seed=2).fingerprint()


def test_file_holds_the_same_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(generated, "BLOCK", 1000)
    made = generate(users=50, items=30, interactions=2500, seed=4)
    write_generated(tmp_path, users=50, items=30, interactions=2500, seed=4)
    frames = {name: read_parquet(tmp_path / f"{name}.parquet") for name in ("items", "users", "interactions")}
    read = Tables(value="rating", **frames)
    for part in ("user_R", "item_R", "value_R", "time_R"):
        assert np.array_equal(getattr(made, part), getattr(read, part))


def test_impossible_sizes():
    with pytest.raises(ConfigError, match="3 problems"):
        generate(users=1, items=3, affinity=2)
