"""Whole words are hidden, to be guessed from what stands around them."""

from __future__ import annotations

import numpy as np

HIDDEN, SWAPPED = 0.8, 0.1
"""Shares of the chosen tokens that become the mask and that become another token; the rest stays as it is."""


def mask_words(
    ids_BL: np.ndarray,
    word_BL: np.ndarray,
    *,
    rate: float,
    mask: int,
    others: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose words, each with probability ``rate`` and one at least in each text, and hide all of their tokens.

    A chosen token becomes the mask in 80 % of cases, a random token in 10 %, and stays itself in 10 % [Devlin et
    al., NAACL'19; whole words as in the BERT release of May 2019].

    Args:
        ids_BL: token ids of B texts.
        word_BL: number of the word within its text that each token belongs to, -1 for special tokens and padding.
        rate: probability of a word.
        mask: id of the mask.
        others: ids that may stand in for a token.
        rng: source of chance.

    Returns:
        Ids ``[B, L]`` as the model sees them, and bool ``[B, L]``: the tokens to be guessed.
    """
    row_M, place_M = np.nonzero(word_BL >= 0)
    word_M = word_BL[row_M, place_M]
    chance_BW = rng.random((len(ids_BL), word_BL.max(initial=0) + 1))
    there_BW = np.zeros(chance_BW.shape, dtype=bool)
    there_BW[row_M, word_M] = True
    least_B1 = np.where(there_BW, chance_BW, 2.0).min(axis=1, keepdims=True)
    chosen_BW = (chance_BW < rate) | (chance_BW == least_B1)
    chosen_BL = np.zeros(ids_BL.shape, dtype=bool)
    chosen_BL[row_M, place_M] = chosen_BW[row_M, word_M]

    fate_BL = rng.random(ids_BL.shape)
    seen_BL = np.where(chosen_BL & (fate_BL < HIDDEN), mask, ids_BL)
    swapped_BL = chosen_BL & (fate_BL >= HIDDEN) & (fate_BL < HIDDEN + SWAPPED)
    return np.where(swapped_BL, rng.choice(others, ids_BL.shape), seen_BL), chosen_BL
