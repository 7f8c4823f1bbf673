"""Choices by hash: the same id is chosen on every machine, in any row order, whatever other rows exist."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

_hash_array: Callable[..., np.ndarray] = pd.util.hash_array  # type: ignore[attr-defined]  # public, but made lazily


def id_hashes(ids: pd.Series | pd.Index, seed: int, purpose: str) -> np.ndarray:
    """uint64 per id, uniform, a function of the id's text, the seed and the purpose only."""
    text = np.asarray(ids, dtype=object)
    salt = np.uint64(int(_hash_array(np.array([f"{purpose}/{seed}"], dtype=object))[0]))
    return mixed(_hash_array(text, categorize=False) ^ salt)


def mixed(key: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014): spreads every bit of a key over all 64."""
    key = key.astype(np.uint64, copy=True)
    key ^= key >> np.uint64(30)
    key *= np.uint64(0xBF58476D1CE4E5B9)
    key ^= key >> np.uint64(27)
    key *= np.uint64(0x94D049BB133111EB)
    key ^= key >> np.uint64(31)
    return key


def as_share(key: np.ndarray) -> np.ndarray:
    """uint64 keys as uniform numbers in [0, 1)."""
    return (key >> np.uint64(11)).astype(np.float64) * 2.0**-53


def chosen(ids: pd.Series | pd.Index, eligible: np.ndarray, share: float, seed: int, purpose: str) -> np.ndarray:
    """bool per id: the ``share`` of eligible ids with the smallest hashes (at least one if share is above 0)."""
    result = np.zeros(len(ids), dtype=bool)
    candidates = np.flatnonzero(eligible)
    if share > 0 and len(candidates):
        count = max(1, int(share * len(candidates) + 0.5))
        key = id_hashes(ids, seed, purpose)[candidates]
        result[candidates[np.argsort(key, kind="stable")[:count]]] = True
    return result
