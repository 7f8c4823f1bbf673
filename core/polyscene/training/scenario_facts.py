"""How the scenarios of a run differ and what they have in common: sizes, texts, shared people and words."""

from __future__ import annotations

import re
from collections import Counter
from itertools import permutations
from typing import Any

import numpy as np

from polyscene.data.columns import Text
from polyscene.data.ids import counts
from polyscene.data.phases import Phase
from polyscene.training.loading import Loaded, LoadedScenario, columns_of

_WORD = re.compile(r"[^\W_]+")


def scenario_facts(loaded: Loaded) -> dict[str, Any]:
    """What ``metrics.json`` and ``transfer.json`` say about the data under ``scenarios``.

    Returns:
        ``facts`` by scenario, and for each ordered pair in ``shared`` the part of one scenario's users and items
        (those with a row) and running words that the other has as well; None where that cannot be: ids of
        different spaces, no text.
    """
    words = {name: _words(one) for name, one in loaded.scenarios.items()}
    facts = {name: _facts(one, words[name]) for name, one in loaded.scenarios.items()}
    shared = [
        {
            "of": name,
            "known_from": other,
            "users": _known_ids(loaded.scenarios[name], loaded.scenarios[other], "user"),
            "items": _known_ids(loaded.scenarios[name], loaded.scenarios[other], "item"),
            "words": _known_words(words[name], words[other]),
        }
        for name, other in permutations(loaded.scenarios, 2)
    ]
    return {"facts": facts, "shared": shared}


def _facts(loaded: LoadedScenario, words: Counter[str]) -> dict[str, Any]:
    tables = loaded.tables
    per_user, per_item = _rows_of(loaded, "user"), _rows_of(loaded, "item")
    return {
        "users": len(per_user),
        "items": len(per_item),
        "interactions": len(tables.interactions),
        "training_rows": loaded.split.count(Phase.TRAIN),
        "density": len(tables.interactions) / max(1, len(per_user) * len(per_item)),
        "rows_per_user": float(np.median(per_user)) if len(per_user) else 0.0,
        "rows_per_item": float(np.median(per_item)) if len(per_item) else 0.0,
        "text_coverage": _text_coverage(loaded),
        "distinct_words": len(words),
    }


def _rows_of(loaded: LoadedScenario, kind: str) -> np.ndarray:
    """The number of rows of each user or item that has any: a domain's tables hold all users of its scenario."""
    tables = loaded.tables
    code_R, size = (tables.user_R, len(tables.users)) if kind == "user" else (tables.item_R, len(tables.items))
    count_N = counts(code_R, size)
    return count_N[count_N > 0]


def _text_coverage(loaded: LoadedScenario) -> float:
    """The share of items with a text in any of their text columns."""
    names = [column.name for column in columns_of(loaded, "items") if isinstance(column, Text)]
    if not names or loaded.tables.items.empty:
        return 0.0
    filled = [loaded.tables.items[name].fillna("").astype(str).str.strip().ne("") for name in names]
    return float(np.logical_or.reduce(filled).mean())


def _words(loaded: LoadedScenario) -> Counter[str]:
    """How often each word is in the scenario's texts, each different text once."""
    texts = {text for column in loaded.text_columns() for text in column}
    return Counter(word for text in texts for word in _WORD.findall(text.lower()))


def _known_words(own: Counter[str], other: Counter[str]) -> float | None:
    total = sum(own.values())
    if not total or not other:
        return None
    return sum(count for word, count in own.items() if word in other) / total


def _known_ids(own: LoadedScenario, other: LoadedScenario, kind: str) -> float | None:
    spaces = {_space(one, kind) for one in (own, other)}
    if len(spaces) > 1 or spaces == {""}:
        return None
    ids, known = _ids(own, kind), _ids(other, kind)
    return len(ids & known) / max(1, len(ids))


def _space(loaded: LoadedScenario, kind: str) -> str:
    """Whose ids they are; domains share those of their scenario."""
    named = getattr(loaded.scenario, f"{kind}_space")
    return named or (f"domains of {loaded.scenario.name}" if loaded.whole is not None else "")


def _ids(loaded: LoadedScenario, kind: str) -> set[str]:
    """The ids that have a row."""
    tables = loaded.tables
    frame, code_R = (tables.users, tables.user_R) if kind == "user" else (tables.items, tables.item_R)
    return set(frame[f"{kind}_id"].astype(str).to_numpy()[np.unique(code_R[code_R >= 0])])
