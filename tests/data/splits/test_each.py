"""What each split does, on tables small enough to check by eye."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.data.phases import Phase
from polyscene.data.splits import (
    Edges,
    FractionConfig,
    Given,
    GivenConfig,
    GlobalTime,
    GlobalTimeConfig,
    LeaveOneOut,
    RandomPerUser,
    SplitConfig,
)
from polyscene.data.tables import Tables
from polyscene.errors import ConfigError, DataError

T, V, X = Phase.TRAIN, Phase.VALIDATION, Phase.TEST


def tables_of(user: str, times: list[int] | None = None, **columns) -> Tables:
    """One interaction per letter of ``user``; each user meets items 0, 1, 2, ... in row order."""
    item = [str(user[:row].count(letter)) for row, letter in enumerate(user)]
    frame = pd.DataFrame({"user_id": list(user), "item_id": item, **columns})
    if times is not None:
        frame["timestamp"] = times
    return Tables(items=pd.DataFrame({"item_id": [str(i) for i in range(len(user))]}), interactions=frame)


def test_leave_one_out_with_ties_in_file_order():
    split = LeaveOneOut(SplitConfig()).split(tables_of("aabaab", [9, 1, 1, 5, 9, 2]))
    # a: times 9 1 5 9 in rows 0 1 3 4: the two nines tie, row 4 is later in the file; b has too few rows
    assert split.phase_R.tolist() == [V, T, T, T, X, T]


def test_leave_one_out_takes_cold_items_out_first():
    tables = tables_of("aaaa" + "bbbb", list(range(8)))
    split = LeaveOneOut(SplitConfig(cold_items=0.25)).split(tables)
    warm = split.phase_R[split.phase_R != Phase.COLD]
    assert warm.tolist() == [T, V, X, T, V, X]


def test_leave_one_out_needs_times():
    with pytest.raises(DataError, match="have no timestamp"):
        LeaveOneOut(SplitConfig()).split(tables_of("aaabbb"))


def test_global_time_by_moments_of_a_column():
    config = GlobalTimeConfig(column="week", validation_from=46, test_from=50)
    split = GlobalTime(config).split(tables_of("aabbab", week=[45, 46, 49, 50, 1, 53]))
    assert split.phase_R.tolist() == [T, V, V, X, T, X]


def test_global_time_by_shares_never_divides_a_moment(random_tables):
    tables = random_tables(2, rows=400)
    split = GlobalTime(GlobalTimeConfig(validation=0.2, test=0.2)).split(tables)
    times = [set(tables.time_R[split.phase_R == phase]) for phase in (T, V, X)]
    assert max(times[0]) < min(times[1]) <= max(times[1]) < min(times[2])
    assert abs(split.count(X) / 400 - 0.2) < 0.05


def test_global_time_names_the_columns_there_are():
    config = GlobalTimeConfig(column="wek", validation_from=1, test_from=2)
    with pytest.raises(DataError, match=r"no numeric column 'wek'[\s\S]*week"):
        GlobalTime(config).split(tables_of("ab", week=[1, 2]))


def test_random_per_user_keeps_repeats_together(random_tables):
    tables = random_tables(4, rows=600)
    split = RandomPerUser(FractionConfig(validation=0.2, test=0.3)).split(tables)
    frame = pd.DataFrame({"user": tables.user_R, "item": tables.item_R, "phase": split.phase_R})
    assert frame.groupby(["user", "item"])["phase"].nunique().max() == 1
    pairs = frame.drop_duplicates(["user", "item"])
    for _, mine in pairs.groupby("user"):
        assert (mine["phase"] == X).sum() == np.floor(len(mine) * 0.3 + 0.5)
        assert (mine["phase"] == V).sum() == np.floor(len(mine) * 0.2 + 0.5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_edges_are_symmetric_and_independent(seed):
    rng = np.random.default_rng(seed)
    ids = pd.Index([f"p{i}" for i in range(30)])
    ends = rng.integers(30, size=(200, 2))
    both = np.concatenate([ends, ends[:, ::-1]])
    people = pd.DataFrame({"user_id": ids}), pd.DataFrame({"item_id": ids})
    whole = _graph(people, ids, both)
    split = Edges(FractionConfig(seed=seed, validation=0.2, test=0.2)).split(whole)
    assert np.array_equal(split.phase_R[:200], split.phase_R[200:])
    part = Edges(FractionConfig(seed=seed, validation=0.2, test=0.2)).split(_graph(people, ids, both[50:350]))
    assert np.array_equal(part.phase_R, split.phase_R[50:350])


def _graph(people, ids, ends) -> Tables:
    interactions = pd.DataFrame({"user_id": ids[ends[:, 0]], "item_id": ids[ends[:, 1]]})
    return Tables(users=people[0], items=people[1], interactions=interactions)


def test_given_by_column():
    tables = tables_of("aabb", split=["train", "valid", "train", "test"])
    assert Given(GivenConfig()).split(tables).phase_R.tolist() == [T, V, T, X]


def test_given_by_row_number_and_by_pair(tmp_path):
    tables = tables_of("aabb")
    pd.DataFrame({"row": [3, 2, 1, 0], "split": [2, 0, 1, 0]}).to_parquet(tmp_path / "rows.parquet")
    by_row = Given(GivenConfig(path=str(tmp_path / "rows.parquet"), row_column="row")).split(tables)
    assert by_row.phase_R.tolist() == [T, V, T, X]
    pairs = pd.DataFrame(
        {"user_id": list("bbaa"), "item_id": list("1010"), "split": ["test", "train", "val", "train"]}
    )
    pairs["cold"] = [False, True, False, True]
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    by_pair = Given(GivenConfig(path=str(tmp_path / "pairs.csv"))).split(tables)
    assert by_pair.phase_R.tolist() == [T, V, T, X]
    cold = Given(GivenConfig(path=str(tmp_path / "pairs.csv"), cold_column="cold"))
    with pytest.raises(DataError, match="left for train"):  # item 0 is cold and held all training rows
        cold.split(tables)
    assert cold.cold_items(tables).tolist() == [True, False, False, False]


def test_given_undirected(tmp_path):
    ids = pd.Index(["p", "q", "r"])
    people = pd.DataFrame({"user_id": ids}), pd.DataFrame({"item_id": ids})
    tables = _graph(people, ids, np.array([[0, 1], [1, 0], [2, 1], [1, 2]]))
    pd.DataFrame({"u": ["p", "q"], "v": ["q", "r"], "split": ["train", "test"]}).to_parquet(tmp_path / "s.parquet")
    config = GivenConfig(path=str(tmp_path / "s.parquet"), user_column="u", item_column="v", undirected=True)
    assert Given(config).split(tables).phase_R.tolist() == [T, T, X, X]
    with pytest.raises(DataError, match=r"2 interactions are not in the file, such as q p, r q"):
        Given(dataclasses.replace(config, undirected=False)).split(tables)


def test_given_makes_validation_rows_of_both_directions_of_a_pair(tmp_path):
    count = 200
    ids = pd.Index([f"p{number}" for number in range(count)])
    people = pd.DataFrame({"user_id": ids}), pd.DataFrame({"item_id": ids})
    pairs = np.array([[number, (number * 7 + 1) % count] for number in range(0, count, 2)])
    tables = _graph(people, ids, np.concatenate([pairs, pairs[:, ::-1]]))
    split = pd.DataFrame({"u": ids[pairs[:, 0]], "v": ids[pairs[:, 1]], "split": "train"})
    split.loc[:9, "split"] = "test"
    split.to_parquet(tmp_path / "s.parquet")
    config = GivenConfig(path=str(tmp_path / "s.parquet"), user_column="u", item_column="v", undirected=True)
    phase_R = Given(dataclasses.replace(config, validation=0.3)).split(tables).phase_R
    one_way, other_way = phase_R[: len(pairs)], phase_R[len(pairs) :]
    assert (one_way == other_way).all()
    assert (one_way[:10] == X).all()
    assert 15 < (one_way == V).sum() < 40
    split.loc[10, "split"] = "valid"
    split.to_parquet(tmp_path / "s.parquet")
    with pytest.raises(DataError, match="it has validation rows"):
        Given(dataclasses.replace(config, validation=0.3)).split(tables)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["train", "later", "test", "test"], "holds later"),
        (["train", None, "test", "test"], "missing values|holds nan"),
    ],
)
def test_given_with_unknown_phase(values, said):
    with pytest.raises(DataError, match=said):
        Given(GivenConfig()).split(tables_of("aabb", split=values))


def test_given_with_a_pair_in_two_phases(tmp_path):
    pairs = pd.DataFrame({"user_id": list("aabba"), "item_id": list("01010"), "split": ["train"] * 4 + ["test"]})
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    with pytest.raises(DataError, match="1 pairs of the file are in two phases"):
        Given(GivenConfig(path=str(tmp_path / "pairs.csv"))).split(tables_of("aabb"))


def test_given_without_its_file():
    with pytest.raises(ConfigError, match="is not a file"):
        Given(GivenConfig(path="nowhere.parquet"))
