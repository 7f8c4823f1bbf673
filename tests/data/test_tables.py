"""Tables: what they normalize, and one clear message for everything that can be wrong."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from polyscene.data.tables import Tables
from polyscene.errors import DataError


def test_codes_are_row_numbers(frames):
    tables = Tables(**frames())
    assert tables.users["user_id"].tolist() == ["a", "b"]
    assert tables.interactions["user_id"].cat.categories.tolist() == ["a", "b"]
    assert tables.interactions["item_id"].cat.categories.tolist() == ["x", "y", "z"]
    assert tables.user_R.tolist() == [1, 0, 1, 0]
    assert tables.item_R.tolist() == [1, 0, 0, 2]
    assert tables.value_R.dtype == np.float32
    assert tables.time_R.dtype == np.int64
    assert tables.time_R.tolist() == [40, 30, 20, 10]


def test_codes_follow_the_order_of_a_given_users_table(frames):
    users = pd.DataFrame({"user_id": ["c", "b", "a"]})
    assert Tables(**frames(users=users)).user_R.tolist() == [1, 2, 1, 2]


def test_whole_numbers_become_text(frames):
    items = pd.DataFrame({"item_id": [10, 11]})
    interactions = pd.DataFrame({"user_id": [1, 2], "item_id": [11, 10]})
    tables = Tables(items=items, interactions=interactions)
    assert tables.items["item_id"].tolist() == ["10", "11"]
    assert tables.item_R.tolist() == [1, 0]
    assert tables.value_R is None
    assert tables.time_R is None


def test_input_is_left_alone(frames):
    given = frames()
    before = {name: frame.copy() for name, frame in given.items() if isinstance(frame, pd.DataFrame)}
    Tables(**given)
    for name, frame in before.items():
        pd.testing.assert_frame_equal(given[name], frame)


def test_dates_become_seconds(frames):
    given = frames()
    given["interactions"]["timestamp"] = pd.to_datetime([86400, 5, 10, 20], unit="s")
    assert Tables(**given).time_R.tolist()[:2] == [86400, 5]


def test_wholly_missing_times_count_as_none(frames):
    given = frames()
    given["interactions"]["timestamp"] = pd.array([None] * 4, dtype="Int64")
    assert Tables(**given).time_R is None


def test_replace_keeps_tables_sound(frames):
    tables = Tables(**frames())
    again = dataclasses.replace(tables, dropped={"rows without a title": 3})
    assert again.dropped == {"rows without a title": 3}
    assert again.fingerprint() == tables.fingerprint()


def test_fingerprint_sees_content_and_row_order_only(frames):
    tables = Tables(**frames())
    as_categories = frames()
    as_categories["interactions"]["user_id"] = pd.Categorical(["b", "a", "b", "a"], categories=["b", "a"])
    assert Tables(**as_categories).fingerprint() == tables.fingerprint()
    moved = frames()
    moved["interactions"] = moved["interactions"].iloc[::-1]
    assert Tables(**moved).fingerprint() != tables.fingerprint()
    retitled = frames()
    retitled["items"].loc[0, "text"] = "Aliens"
    assert Tables(**retitled).fingerprint() != tables.fingerprint()


def _interactions(**columns):
    base = {"user_id": ["b", "a"], "item_id": ["y", "x"], "rating": [3.0, 4.0], "timestamp": [40, 30]}
    return pd.DataFrame(base | columns)


WRONG = {
    "missing column": (
        {"interactions": _interactions().drop(columns="item_id")},
        ["interactions.item_id is missing"],
    ),
    "missing value": ({"value": "weight"}, ["interactions.weight is missing", "user_id, item_id, rating"]),
    "rating as text": (
        {"interactions": _interactions(rating=["3", "4"])},
        ["interactions.rating", "'3'", "to_numeric"],
    ),
    "NaN rating": (
        {"interactions": _interactions(rating=[np.nan, 4])},
        ["interactions.rating is missing", "row 0"],
    ),
    "infinite rating": ({"interactions": _interactions(rating=[1, np.inf])}, ["infinite in 1 rows", "row 1"]),
    "duplicate item": ({"items": pd.DataFrame({"item_id": ["x", "y", "x"]})}, ["items.item_id", "'x' (2 rows)"]),
    "duplicate user": ({"users": pd.DataFrame({"user_id": ["a", "b", "a"]})}, ["users.user_id", "'a' (2 rows)"]),
    "unknown item": (
        {"interactions": _interactions(item_id=["y", "q"])},
        ["that items lacks in 1 rows", "'q' (row 1)"],
    ),
    "unknown user": ({"users": pd.DataFrame({"user_id": ["a", "c"]})}, ["that users lacks", "'b' (row 0)"]),
    "missing id": (
        {"interactions": _interactions(user_id=["a", None])},
        ["interactions.user_id is missing", "row 1"],
    ),
    "numbers as ids": (
        {"interactions": _interactions(user_id=[0.5, 1.5])},
        ["interactions.user_id", "float64", "0.5"],
    ),
    "milliseconds": (
        {"interactions": _interactions(timestamp=[1_600_000_000_000, 1])},
        ["looks like milliseconds", "1000"],
    ),
    "negative time": ({"interactions": _interactions(timestamp=[-5, 1])}, ["timestamp is negative", "row 0 (-5)"]),
    "some times missing": (
        {"interactions": _interactions(timestamp=[np.nan, 1])},
        ["timestamp is missing in 1 rows"],
    ),
    "times as text": (
        {"interactions": _interactions(timestamp=["May", "June"])},
        ["interactions.timestamp", "'May'"],
    ),
    "no interactions": ({"interactions": _interactions().iloc[:0]}, ["interactions is empty"]),
    "no items": ({"items": pd.DataFrame({"item_id": []})}, ["items is empty"]),
    "one user": ({"interactions": _interactions(user_id=["a", "a"])}, ["users holds a single row ('a')"]),
    "one item": (
        {"items": pd.DataFrame({"item_id": ["x"]}), "interactions": _interactions(item_id=["x", "x"])},
        ["items holds a single row ('x')"],
    ),
    "duplicate column": (
        {"items": pd.DataFrame([["x", "1", "2"]], columns=["item_id", "text", "text"])},
        ["items.text occurs more than once"],
    ),
    "unknown friend": (
        {"links": pd.DataFrame({"user_id": ["a"], "friend_id": ["nobody"]})},
        ["links.friend_id", "'nobody' (row 0)"],
    ),
    "not a frame": ({"items": [{"item_id": "x"}]}, ["items is a list", "DataFrame"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_tables_say_what_and_where(case, frames):
    changes, said = WRONG[case]
    with pytest.raises(DataError) as caught:
        Tables(**frames(**changes))
    for words in said:
        assert words in str(caught.value)


def test_all_problems_come_at_once(frames):
    wrong = _interactions(rating=[np.nan, 1], timestamp=[-1, 1], item_id=["x", "q"])
    items = pd.DataFrame({"item_id": ["x", "y", "y"]})
    with pytest.raises(DataError, match="tables: 3 problems"):
        Tables(**frames(interactions=wrong))
    with pytest.raises(DataError, match="tables: 3 problems"):
        Tables(**frames(interactions=wrong, items=items))
