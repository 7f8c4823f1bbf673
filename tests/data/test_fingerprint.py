"""Digests of data stay what they were: runs are recognized by them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from polyscene.data.fingerprint import fingerprint

FRAME = pd.DataFrame(
    {
        "text": pd.Series(["x", "é\ud800", None, np.nan, pd.NA], dtype=object),
        "mixed": pd.Series(["1", 1, 2.5, None, ["u", None]], dtype=object),
        "string": pd.array(["p", None, "q", "r", "s"], dtype="string"),
        "nothing": pd.Series([None] * 5, dtype=object),
        "category": pd.Categorical(["a", "b", "c", None, "e"]),
    }
)


def test_digest_of_every_kind_of_text() -> None:
    """Pinned: what the value-by-value reading gave."""
    assert fingerprint({"table": FRAME}) == "82545c7b95f5e8e682e22f098da19482cc3cc98184eca5c10f524d5ca6c707bc"


@pytest.mark.parametrize("odd", ["", "é", 'quo"te', "back\\slash", "two\nlines", "\x7f", "\u2028", None])
def test_a_text_of_any_signs_is_read_alike_in_every_form(odd: str | None) -> None:
    """Plain texts are read without an object for each."""
    texts = ["m.01", odd, "m 02~"] * 30_000
    forms = [pd.Series(texts, dtype=dtype) for dtype in ("str", object)]
    one, other = (fingerprint({"table": pd.DataFrame({"text": form})}) for form in forms)
    assert one == other
    some = pd.DataFrame({"text": forms[0].iloc[1:5].reset_index(drop=True)})
    assert fingerprint({"table": some}) == fingerprint({"table": some.astype(object)})


def test_missing_texts_are_one_and_the_same() -> None:
    alike, other = (
        FRAME.assign(text=pd.Series(["x", "é\ud800", missing, None, None], dtype=object))
        for missing in (pd.NaT, "None")
    )
    assert fingerprint({"table": alike}) == fingerprint({"table": FRAME})
    assert fingerprint({"table": other}) != fingerprint({"table": FRAME})
