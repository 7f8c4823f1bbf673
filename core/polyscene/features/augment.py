"""Other ways to put a text: words are left out or replaced, the same way in every run."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Synonyms = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]
"""``synonyms(words) -> {word: words of like use}`` for lower-case words."""


def text_variants(
    texts: Sequence[str], count: int, *, drop: float, swap: float, synonyms: Synonyms | None, seed: int
) -> list[list[str]]:
    """``count`` variants of each text [EDA, Wei and Zou, EMNLP'19: random deletion and synonym replacement].

    A text's variants follow from itself and the seed, whatever other texts there are, so that the store of
    activations knows them again. A text of one word has no other variant where the word has no synonym.

    Args:
        texts: n texts.
        count: variants of each.
        drop: probability with which each word is left out; one stays at least.
        swap: probability with which each word that stays is replaced, where it has synonyms.
        synonyms: where to find them; None replaces nothing.
        seed: of chance.

    Returns:
        n lists of ``count`` texts.
    """
    words = [text.split() for text in texts]
    found: Mapping[str, Sequence[str]] = {}
    if swap > 0 and synonyms is not None:
        found = synonyms(sorted({_plain(word) for one in words for word in one}))
    variants = []
    for text, one in zip(texts, words, strict=True):
        digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
        rng = np.random.default_rng([seed, int.from_bytes(digest, "little")])
        chances = rng.random((count, 3, len(one)))
        variants.append([_variant(one, chance, drop=drop, swap=swap, found=found) for chance in chances])
    return variants


def _variant(
    words: list[str], chance: np.ndarray, *, drop: float, swap: float, found: Mapping[str, Sequence[str]]
) -> str:
    """One variant of a text, from three random numbers for each of its words."""
    stays = (chance[0] >= drop) | (chance[0] == chance[0].max(initial=0.0))
    return " ".join(
        _replaced(word, found.get(_plain(word), ()), chance[2, place]) if chance[1, place] < swap else word
        for place, word in enumerate(words)
        if stays[place]
    )


def _plain(word: str) -> str:
    return word.strip(string.punctuation).lower()


def _replaced(word: str, choices: Sequence[str], chance: float) -> str:
    """The word with its core replaced; signs around it and a capital stay."""
    core = word.strip(string.punctuation)
    if not choices or not core:
        return word
    new = choices[int(chance * len(choices))]
    return word.replace(core, new.capitalize() if core[0].isupper() else new, 1)
