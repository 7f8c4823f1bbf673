"""Properties that every split has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.data.phases import Phase
from polyscene.data.splits import COMPONENTS, Edges, load_split, save_split
from polyscene.errors import ConfigError, DataError

BY_NAME = {component.name: component for component in COMPONENTS if component.name not in ("given", "edges")}
EARLY = (Phase.TRAIN, Phase.KNOWN, Phase.VALIDATION, Phase.TEST)


def splitter(name: str, **options):
    component = BY_NAME[name]
    return component.build(component.config(**options))


def keyed(tables, split) -> dict[int, int]:
    """Phase by original row number, so that shuffled tables can be compared."""
    return dict(zip(tables.interactions["row"].tolist(), split.phase_R.tolist(), strict=True))


@pytest.mark.parametrize("name", sorted(BY_NAME))
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(150, 400),
    cold_items=st.sampled_from([0.0, 0.1, 0.3]),
    cold_users=st.sampled_from([0.0, 0.2]),
)
def test_partition_without_leaks(random_tables, name, *, seed, rows, cold_items, cold_users):
    tables = random_tables(seed, rows)
    split = splitter(name, cold_items=cold_items, cold_users=cold_users).split(tables)
    assert split.phase_R.shape == (rows,)
    assert split.phase_R.dtype == np.int8
    assert sum(split.count(phase) for phase in Phase) == rows
    cold_row_R = split.cold_N[tables.item_R]
    assert np.array_equal(cold_row_R, split.phase_R == Phase.COLD)
    assert split.cold_N.any() == (cold_items > 0)
    of_cold_users = split.phase_R[split.cold_U[tables.user_R]]
    assert set(of_cold_users) <= {Phase.KNOWN, Phase.TEST, Phase.COLD}
    assert np.all(split.cold_U[tables.user_R[split.phase_R == Phase.KNOWN]])
    assert split.cold_U.any() == (cold_users > 0)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_same_data_and_seed_same_split(random_tables, name):
    options = {"cold_items": 0.1, "cold_users": 0.1}
    first = splitter(name, **options).split(random_tables(5))
    np.random.seed(99)  # whatever the seed of the run is
    again = splitter(name, **options).split(random_tables(5))
    assert np.array_equal(first.phase_R, again.phase_R)
    other = splitter(name, seed=1, **options).split(random_tables(5))
    assert not np.array_equal(first.phase_R, other.phase_R)


@pytest.mark.parametrize("name", ["random_per_user", "global_time"])
def test_shuffled_rows_same_split(random_tables, name):
    options = {"cold_items": 0.1, "cold_users": 0.1}
    plain, moved = random_tables(6), random_tables(6, shuffle=4)
    assert plain.interactions["row"].tolist() != moved.interactions["row"].tolist()
    assert keyed(plain, splitter(name, **options).split(plain)) == keyed(
        moved, splitter(name, **options).split(moved)
    )


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_saved_split_comes_back(random_tables, tmp_path, name):
    tables = random_tables(7)
    split = splitter(name, cold_items=0.1, cold_users=0.1).split(tables)
    save_split(tmp_path / "split.safetensors", split)
    loaded = load_split(tmp_path / "split.safetensors", tables)
    for part in ("phase_R", "cold_N", "cold_U"):
        assert np.array_equal(getattr(split, part), getattr(loaded, part))
        assert getattr(split, part).dtype == getattr(loaded, part).dtype
    assert (split.description, split.ordered) == (loaded.description, loaded.ordered)


def test_split_of_other_data_is_refused(random_tables, tmp_path):
    path = tmp_path / "split.safetensors"
    save_split(path, splitter("leave_one_out").split(random_tables(7)))
    with pytest.raises(DataError, match="made from other data"):
        load_split(path, random_tables(8))


@pytest.mark.parametrize("damage", ["cut", "absent", "foreign"])
def test_damaged_split_is_refused(random_tables, tmp_path, damage):
    path = tmp_path / "split.safetensors"
    if damage != "absent":
        save_split(path, splitter("leave_one_out").split(random_tables(7)))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    if damage == "foreign":
        path.write_bytes(b"not a split at all")
    with pytest.raises(DataError, match=r"split\.safetensors"):
        load_split(path, random_tables(7))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("leave_one_out", {"cold_items": 1.0}, "cold_items=1.0"),
        ("random_per_user", {"validation": 0.5, "test": 0.5}, "leave nothing for training"),
        ("global_time", {"test_from": 3.0}, "only one of"),
        ("global_time", {"validation_from": 4.0, "test_from": 3.0}, "lies after"),
    ],
)
def test_wrong_options(name, options, said):
    with pytest.raises(ConfigError, match=said):
        splitter(name, **options)


def test_edges_refuse_cold_ids():
    config = BY_NAME["random_per_user"].config(cold_items=0.1, cold_users=0.1)
    with pytest.raises(ConfigError, match="2 problems"):
        Edges(config)


def test_nothing_left_to_test(random_tables):
    tables = random_tables(1, rows=20, users=20)
    with pytest.raises(DataError, match="left for test"):
        splitter("leave_one_out").split(tables)
