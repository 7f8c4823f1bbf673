"""Events hold the same rows as a plain sort with pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.data import ids, ordering
from polyscene.data.build import build_events, event_labels
from polyscene.data.columns import Category, Number, Timestamp
from polyscene.data.ordering import group_by_user
from polyscene.data.phases import Phase
from polyscene.data.scenario import Scenario
from polyscene.data.splits import FractionConfig, LeaveOneOut, RandomPerUser, SplitConfig

SCENARIO = Scenario("test", load=lambda config, data: None)
SPLITTERS = {
    "leave_one_out": LeaveOneOut(SplitConfig(cold_items=0.2, cold_users=0.2)),
    "random_per_user": RandomPerUser(FractionConfig(validation=0.2, test=0.2)),
}


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few rows, so that small tables cross many block borders."""
    monkeypatch.setattr(ids.blocks, "__defaults__", (7,))
    monkeypatch.setattr(ordering.Grouped.parts, "__defaults__", (7,))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(40, 400), name=st.sampled_from(sorted(SPLITTERS)))
def test_windows_equal_a_pandas_sort(random_tables, seed, rows, name):
    _compare_with_pandas(random_tables(seed, rows), name)


@pytest.mark.parametrize("name", sorted(SPLITTERS))
def test_block_borders_change_nothing(random_tables, small_blocks, name):
    _compare_with_pandas(random_tables(3), name)


def _compare_with_pandas(tables, name):
    split = SPLITTERS[name].split(tables)
    events = build_events(tables, split, SCENARIO)
    frame = tables.interactions.assign(user=tables.user_R, item=tables.item_R, phase=split.phase_R)
    columns = ["item", "rating", "timestamp"]
    frame = frame.sort_values(["user", "phase", "timestamp"], kind="stable")
    found = pd.DataFrame({"item": events.item_R, "rating": events.value_R, "timestamp": events.time_R})
    start_UP = events.start_UP.tolist()
    # Where order means nothing the rows of a phase lie in any order; otherwise as they happened.
    arranged = (lambda rows: rows) if split.ordered else (lambda rows: rows.sort_values(columns))
    empty = frame.iloc[:0]
    groups = dict(iter(frame.groupby(["user", "phase"])))
    for user in range(len(tables.users)):
        for phase in Phase:
            window = found.iloc[start_UP[user][phase] : start_UP[user][phase + 1]]
            naive = groups.get((user, int(phase)), empty)
            assert arranged(window[columns]).to_numpy().tolist() == arranged(naive[columns]).to_numpy().tolist()
    assert events.start_UP[0, 0] == 0
    assert events.start_UP[-1, -1] == len(frame)


def test_rows_lie_in_no_order_where_the_split_gives_none_a_meaning(random_tables):
    tables = random_tables(0)
    split = SPLITTERS["random_per_user"].split(tables)
    events, again = (build_events(tables, split, SCENARIO) for _ in range(2))
    assert torch.equal(events.item_R, again.item_R)
    later_R = events.time_R[1:] >= events.time_R[:-1]
    same_user_R = torch.from_numpy(np.diff(events.rows(Phase)[0]) == 0)
    assert 0.3 < later_R[same_user_R].float().mean() < 0.7


def test_types_and_flags(random_tables):
    tables = random_tables(0)
    events = build_events(tables, SPLITTERS["leave_one_out"].split(tables), SCENARIO)
    kinds = (events.item_R.dtype, events.value_R.dtype, events.time_R.dtype, events.start_UP.dtype)
    assert kinds == (torch.int32, torch.float32, torch.int64, torch.int64)
    assert events.ordered
    assert not build_events(tables, SPLITTERS["random_per_user"].split(tables), SCENARIO).ordered
    assert events.cold_N.sum() == 3
    assert not (events.cold_N[events.item_R.long()] & (_phases(events) != Phase.COLD)).any()


def test_event_columns_follow_their_rows(random_tables):
    tables = random_tables(1)
    shelf = np.array(["top", "low", None], dtype=object)[tables.interactions["row"] % 3]
    tables.interactions["shelf"] = shelf
    columns = (Number("row"), Category("shelf"), Timestamp())
    scenario = Scenario("test", load=lambda config, data: tables, event_columns=columns)
    events = build_events(tables, SPLITTERS["leave_one_out"].split(tables), scenario)
    row_R = events.columns["row"].long().numpy()
    assert events.columns["row"].dtype == torch.float32
    assert sorted(row_R) == list(range(len(row_R)))
    assert events.item_R.tolist() == tables.item_R[row_R].tolist()
    assert torch.equal(events.columns["timestamp"], events.time_R)
    labels = [*event_labels(tables, "shelf"), None]
    assert labels == ["low", "top", None]
    assert [labels[code] for code in events.columns["shelf"]] == shelf[row_R].tolist()


def test_tables_without_values_count_one(random_tables):
    tables = random_tables(2)
    plain = tables.interactions[["user_id", "item_id"]]
    bare = type(tables)(items=tables.items, interactions=plain)
    events = build_events(bare, SPLITTERS["random_per_user"].split(bare), SCENARIO)
    assert set(events.value_R.tolist()) == {1.0}
    assert set(events.time_R.tolist()) == {0}
    assert not events.ordered


@given(codes=st.lists(st.integers(0, 5), max_size=60))
def test_grouping_is_a_stable_sort(codes):
    array = np.array(codes, dtype=np.int8)
    grouped = group_by_user(array, 6)
    assert grouped.row_R.tolist() == np.argsort(array, kind="stable").tolist()
    assert np.diff(grouped.start_U).tolist() == [codes.count(user) for user in range(6)]


def _phases(events) -> torch.Tensor:
    count_UP = events.start_UP.diff(dim=1)
    return torch.arange(len(Phase)).repeat(events.n_users).repeat_interleave(count_UP.flatten())
