"""Both directions of a fact as rows: asking for a head is asking for the tail of the inverse relation."""

from __future__ import annotations

import pandas as pd

INVERSE = "~"
"""What marks the inverse of a relation. It sorts behind every letter, so inverse codes follow the plain ones."""


def both_directions(facts: pd.DataFrame) -> pd.DataFrame:
    """Two rows for each fact: (head, relation, tail) and, with ``~`` before the relation, (tail, relation, head).

    Rows 2i and 2i + 1 are fact i [Lacroix et al., ICML 2018, call the second one reciprocal]. Columns of facts
    beyond head, relation and tail stand in both rows.

    Returns:
        a frame with ``user_id`` (what is asked about), ``relation`` (a category) and ``item_id`` (the answer).
    """
    names = {"head": "user_id", "tail": "item_id"}
    forward = facts.rename(columns=names)
    backward = facts.rename(columns={"tail": "user_id", "head": "item_id"})
    backward = backward.assign(relation=INVERSE + facts["relation"])[list(forward.columns)]
    rows = pd.DataFrame(pd.concat([forward, backward])).sort_index(kind="stable", ignore_index=True)
    return rows.astype({"relation": "category"})


def plain(relation: str) -> str:
    """The relation itself, of it or of its inverse."""
    return relation.removeprefix(INVERSE)


def is_inverse(relation: str) -> bool:
    """Whether a relation is the inverse of one."""
    return relation.startswith(INVERSE)
