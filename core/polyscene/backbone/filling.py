"""Filling a store: what is missing in it goes through the model, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from polyscene.backbone.config import BackboneConfig
from polyscene.backbone.encode import CHUNK, Tokens, batch_tokens, chunks, encode
from polyscene.backbone.pooling import reduction
from polyscene.backbone.store import ActivationStore

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def fill(
    store: ActivationStore,
    texts: list[str],
    digests: np.ndarray,
    *,
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    config: BackboneConfig,
    states: bool,
    encoded: Callable[[int], None],
    found: Callable[[int], None],
) -> None:
    """Encode texts and keep what comes out, chunk by chunk, so that a stop loses one chunk at most.

    Args:
        store: where they are kept.
        texts, digests: each different text once, and its name in the store.
        model: computes pooled vectors, or token states.
        tokenizer, config: of the backbone.
        states: whether states of tokens are kept instead of one vector for each text.
        encoded: is told how many texts went through the model.
        found: is told how many were there already.
    """
    for chunk in chunks(texts, CHUNK):
        store.refresh()  # another process may have encoded these
        rows = chunk[~store.has(digests[chunk])]
        found(len(chunk) - len(rows))
        if len(rows):
            tokens = Tokens(tokenizer, [texts[i] for i in rows], config.max_len)
            pooled = reduction(config, states=states)
            budget = batch_tokens(config, model)
            values = encode(model, tokens, budget, pooled, per_token=states, advance=encoded)
            lengths = tokens.lengths if states else np.ones_like(tokens.lengths)
            store.add(digests[rows], lengths, values)
