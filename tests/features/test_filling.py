"""Filled templates: what they say, and what is left out where a text would be too long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.features.filling import Count, Pairs, column_texts, fill
from polyscene.features.template import resolve

USERS = pd.DataFrame({"user_id": ["u", "v"], "age": [30, 4], "about": ["", "a b c d e f g h"]})
ITEMS = pd.DataFrame({"item_id": list("wxyz"), "title": ["red shoes", "sea", "old long book", "end"]})
TEMPLATE = "{age} {about} liked: {liked} disliked: {disliked} item: {item.title}"


def words(texts: Sequence[str]) -> np.ndarray:
    """Tokens are words and punctuation marks, with one more on each side."""
    return np.array([len(text.replace(",", " , ").replace(":", " : ").split()) + 2 for text in texts])


def glued(texts: Sequence[str]) -> np.ndarray:
    """Tokens of parts do not add up: a text has more than its parts together."""
    return words(texts) + np.array([len(text) // 10 for text in texts])


def pairs(user: int = 0, item: int = 3, past: Sequence[int] = (), liked: Sequence[bool] = ()) -> Pairs:
    one = np.array([past], dtype=np.int64).reshape(1, -1)
    return Pairs(np.array([user]), np.array([item]), one, np.array([liked], dtype=bool).reshape(1, -1), one >= 0)


def filled(template: str, about: Pairs, max_len: int = 99, count: Count = words) -> str:
    resolved = resolve(template, list(USERS.columns), list(ITEMS.columns), "here")
    return fill(resolved, about, USERS, ITEMS, count=count, max_len=max_len)[0]


def test_a_text_tells_the_past_newest_first() -> None:
    text = filled(TEMPLATE, pairs(past=[1, 2, 0], liked=[True, False, True]))
    assert text == "30  liked: sea, red shoes disliked: old long book item: end"
    assert filled(TEMPLATE, pairs()) == "30  liked: none disliked: none item: end"


def test_too_long_texts_lose_the_oldest_of_the_past_first() -> None:
    about = pairs(past=[1, 2, 0], liked=[True, False, True])
    whole = int(words([filled(TEMPLATE, about)])[0])
    assert filled(TEMPLATE, about, whole) == filled(TEMPLATE, about)
    assert filled(TEMPLATE, about, whole - 1) == "30  liked: sea disliked: old long book item: end"
    assert filled(TEMPLATE, about, whole - 3) == "30  liked: sea disliked: old long book item: end"
    assert filled(TEMPLATE, about, whole - 4) == "30  liked: sea disliked: none item: end"


def test_then_the_user_and_never_the_item(caplog: pytest.LogCaptureFixture) -> None:
    about = pairs(user=1, past=[1], liked=[True])
    text = filled(TEMPLATE, about, 16)
    assert text == "  liked: none disliked: none item: end"
    assert "lost their user's columns: raise backbone.max_len" in caplog.text


@settings(deadline=None, max_examples=60)
@given(
    past=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=6),
    max_len=st.integers(12, 40),
    template=st.sampled_from([TEMPLATE, "{liked} {title}", "{disliked} {title}", "{age} {title}"]),
    count=st.sampled_from([words, glued]),
)
def test_no_text_is_too_long_where_it_can_be_helped(
    past: list[tuple[int, bool]], max_len: int, template: str, count: Count
) -> None:
    about = pairs(past=[item for item, _ in past], liked=[liked for _, liked in past])
    text = filled(template, about, max_len, count)
    assert text.endswith("end"), "the item is all there"
    bare = filled(template, pairs(), 99, count)
    assert int(count([text])[0]) <= max(max_len, int(count([bare])[0]))


def test_columns_as_texts() -> None:
    assert column_texts(pd.Series([1.0, 2.0, None])).tolist() == ["1", "2", ""]
    assert column_texts(pd.Series(["a|b", None, " c"]), "|").tolist() == ["a, b", "", " c"]
    assert column_texts(pd.Series([["x", "y"], [], ["z"]])).tolist() == ["x, y", "", "z"]
    assert column_texts(pd.Series([" kept ", ""])).tolist() == ["kept", ""]
