"""Filled templates: one text for each pair of a user and an item, none longer than the backbone reads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from polyscene.features.template import DISLIKED, ITEM, LIKED, USER, Field, Template
from polyscene.features.values import unique_labels, unique_lists

logger = logging.getLogger(__name__)

_BETWEEN, _NOTHING = ", ", "none"
# Number of tokens of each text, special tokens included: int64 [n].
Count = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Pairs:
    """M pairs of a user and an item, each with up to H items that the user had before.

    Args:
        user_M, item_M: int64 rows of the tables.
        past_MH: int64 items of the past, newest first.
        liked_MH: bool, which of them were liked.
        known_MH: bool, where there is one at all.
    """

    user_M: np.ndarray
    item_M: np.ndarray
    past_MH: np.ndarray
    liked_MH: np.ndarray
    known_MH: np.ndarray


def fill(
    template: Template,
    pairs: Pairs,
    users: pd.DataFrame,
    items: pd.DataFrame,
    *,
    count: Count,
    max_len: int,
    separators: Mapping[str, str] | None = None,
) -> list[str]:
    """The text of every pair, at most ``max_len`` tokens long.

    What is too long loses the oldest items of the past first, then the columns of the user; what is left is about
    the item, and only that is cut by the tokenizer, at the end of the text.

    Args:
        template: what a text is made of.
        pairs: for whom.
        users, items: the tables.
        count: counts tokens as the backbone does.
        max_len: tokens that the backbone reads, special tokens included.
        separators: what stands between the labels of columns that hold several in one string.
    """
    told = [part.source for part in template.parts if isinstance(part, Field)]
    told_MH = np.where(pairs.liked_MH, LIKED in told, DISLIKED in told)
    pairs = replace(pairs, known_MH=pairs.known_MH & told_MH)
    words = _Words(template, users, items, separators or {}, count)
    keep_MH = words.fitting(pairs, np.full(len(pairs.user_M), max_len))
    texts = words.texts(pairs, keep_MH)
    # Tokens of parts need not add up to those of the whole: what is longer than expected is made shorter again.
    over = np.arange(len(texts))
    while len(over):
        excess = _counted(count, [texts[row] for row in over]) - max_len
        over, excess = over[excess > 0], excess[excess > 0]
        some = keep_MH[over].any(axis=1)
        if not some.all():
            bare = _of(pairs, over[~some])
            shorter = words.texts(bare, np.zeros_like(bare.known_MH), about_user=False)
            _put(texts, over[~some], shorter)
            logger.warning("%d pair texts lost their user's columns: raise backbone.max_len", len(shorter))
        over, excess = over[some], excess[some]
        part = _of(pairs, over)
        keep_MH[over] &= words.fitting(part, words.length(part, keep_MH[over]) - excess)
        _put(texts, over, words.texts(part, keep_MH[over]))
    return texts


class _Words:
    """What the fields of a template say, by row of the tables, and how many tokens that is."""

    def __init__(
        self,
        template: Template,
        users: pd.DataFrame,
        items: pd.DataFrame,
        separators: Mapping[str, str],
        count: Count,
    ) -> None:
        self.template = template
        tables = {USER: users, ITEM: items, LIKED: items, DISLIKED: items}
        self.of = {
            field: column_texts(pd.Series(tables[field.source][field.column]), separators.get(field.column, ""))
            for field in template.parts
            if isinstance(field, Field)
        }
        special = int(count([""])[0])
        self.tokens = {field: _counted(count, values.tolist()) - special for field, values in self.of.items()}
        literal = [part for part in template.parts if isinstance(part, str)]
        self.fixed = special + int((_counted(count, literal) - special).sum()) if literal else special
        self.between, self.nothing = (int(count([text])[0]) - special for text in (_BETWEEN, _NOTHING))

    def length(self, pairs: Pairs, keep_MH: np.ndarray) -> np.ndarray:
        """Tokens ``[M]`` of texts with the kept part of the past, as the sum over their parts."""
        return self._bare(pairs) + (self._costs(pairs) * keep_MH).sum(axis=1)

    def fitting(self, pairs: Pairs, most_M: np.ndarray) -> np.ndarray:
        """The newest part bool ``[M, H]`` of the past with which a text has at most so many tokens."""
        room_M = most_M - self._bare(pairs)
        return pairs.known_MH & (self._costs(pairs).cumsum(axis=1) <= room_M[:, None])

    def texts(self, pairs: Pairs, keep_MH: np.ndarray, *, about_user: bool = True) -> list[str]:
        """The filled template of every pair."""
        columns: list[Sequence[str]] = []
        for part in self.template.parts:
            if isinstance(part, str):
                columns.append([part] * len(pairs.user_M))
            elif part.source in (LIKED, DISLIKED):
                shown_MH = keep_MH & (pairs.liked_MH == (part.source == LIKED))
                columns.append(_lists(self.of[part], pairs.past_MH, shown_MH))
            elif part.source == ITEM:
                columns.append(self.of[part][pairs.item_M].tolist())
            else:
                columns.append(self.of[part][pairs.user_M].tolist() if about_user else [""] * len(pairs.user_M))
        return ["".join(parts) for parts in zip(*columns, strict=True)]

    def _bare(self, pairs: Pairs) -> np.ndarray:
        """Tokens of texts without the past."""
        total_M = np.full(len(pairs.user_M), self.fixed)
        for field, tokens in self.tokens.items():
            if field.source in (USER, ITEM):
                total_M += tokens[pairs.user_M if field.source == USER else pairs.item_M]
            else:
                total_M += self.nothing
        return total_M

    def _costs(self, pairs: Pairs) -> np.ndarray:
        """Tokens ``[M, H]`` that each item of the past adds."""
        cost_MH = np.zeros(pairs.past_MH.shape, dtype=np.int64)
        for field, tokens in self.tokens.items():
            if field.source in (LIKED, DISLIKED):
                shown_MH = pairs.known_MH & (pairs.liked_MH == (field.source == LIKED))
                first_MH = shown_MH & (shown_MH.cumsum(axis=1) == 1)
                beside_MH = np.where(first_MH, -self.nothing, self.between)
                cost_MH += shown_MH * (tokens[pairs.past_MH] + beside_MH)
        return cost_MH


def column_texts(values: pd.Series, separator: str = "") -> np.ndarray:
    """A column as strings (object ``[n]``): labels with commas between them, nothing where they are missing."""
    first = next(iter(values.dropna()), "")
    if separator or (not isinstance(first, str) and isinstance(first, (Sequence, np.ndarray))):
        code_N, lists = unique_lists(values, lambda text: text.split(separator) if separator else [text])
        return np.array([*(_BETWEEN.join(labels) for labels in lists), ""], dtype=object)[code_N]
    code_N, labels = unique_labels(values)
    return np.array([*(label.strip() for label in labels), ""], dtype=object)[code_N]


def _lists(names: np.ndarray, past_MH: np.ndarray, shown_MH: np.ndarray) -> list[str]:
    """What is shown of each past, newest first."""
    ends = np.cumsum(shown_MH.sum(axis=1)).tolist()
    flat = names[past_MH[shown_MH]].tolist()
    starts = [0, *ends][:-1]
    return [_BETWEEN.join(flat[start:end]) or _NOTHING for start, end in zip(starts, ends, strict=True)]


def _counted(count: Count, texts: Sequence[str]) -> np.ndarray:
    """Tokens of texts, each distinct one counted once."""
    code_n, distinct = pd.factorize(np.asarray(texts, dtype=object))
    return count([str(text) for text in distinct])[code_n] if len(distinct) else np.zeros(0, dtype=np.int64)


def _of(pairs: Pairs, rows: np.ndarray) -> Pairs:
    return Pairs(*(getattr(pairs, name)[rows] for name in Pairs.__dataclass_fields__))


def _put(texts: list[str], rows: np.ndarray, values: list[str]) -> None:
    for row, value in zip(rows.tolist(), values, strict=True):
        texts[row] = value
