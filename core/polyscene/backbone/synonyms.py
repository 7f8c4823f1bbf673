"""Words of like use, from the backbone's own table of input embeddings.

We found no wheel that carries a well-kept thesaurus: packages for WordNet fetch it when they first run. The
nearest words in the table are those used alike, opposites among them (warm, cold), so a text in which a few words
are replaced is about the same thing and may not say the same thing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.files import atomic_path
from polyscene.errors import BackboneError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NEIGHBORS = 5
"""Words that can stand in for one, at most."""
LEAST_COSINE = 0.5
"""How near they must be."""
_SHORTEST = 3
_AT_ONCE = 1024


def synonyms(
    words: Sequence[str], memory: Path, load: Callable[[], tuple[PreTrainedTokenizerBase, Tensor]]
) -> dict[str, list[str]]:
    """For each word those nearest to it, best first; none for words that are not one token of the model.

    Args:
        words: lower-case words.
        memory: JSON file that remembers them, so that a second run loads no model.
        load: gives the tokenizer and the input embeddings ``[vocabulary, h]``; called only if a word is new.
    """
    known = _read(memory)
    fresh = sorted(set(words) - known.keys())
    if fresh:
        known |= {word: [] for word in fresh} | _nearest(fresh, *load())
        with atomic_path(memory, BackboneError) as path:
            path.write_text(json.dumps(known, ensure_ascii=False))
    return {word: known[word] for word in words}


def _nearest(words: list[str], tokenizer: PreTrainedTokenizerBase, embedding_Vh: Tensor) -> dict[str, list[str]]:
    text_V = [
        text.strip().lower() for text in tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    ]
    ids_V = tokenizer(text_V, add_special_tokens=False)["input_ids"]
    # Tokens that are a word by themselves: pieces of words and signs come back as other tokens.
    token_of = {
        text: token
        for token, (text, ids) in enumerate(zip(text_V, ids_V, strict=True))
        if ids == [token] and text.isalpha() and len(text) >= _SHORTEST
    }
    candidates = list(token_of)
    unit_Ch = functional.normalize(embedding_Vh[torch.tensor(list(token_of.values()))].float(), dim=1)
    place_of = {text: place for place, text in enumerate(candidates)}
    asked = [word for word in words if word in place_of]
    found = {}
    for start in range(0, len(asked), _AT_ONCE):
        part = asked[start : start + _AT_ONCE]
        own = torch.tensor([place_of[word] for word in part])
        cosine_WC = (unit_Ch[own] @ unit_Ch.T).scatter_(1, own.unsqueeze(1), -1.0)
        best = cosine_WC.topk(min(NEIGHBORS, len(candidates)), dim=1)
        for word, near, values in zip(part, best.indices.tolist(), best.values.tolist(), strict=True):
            found[word] = [candidates[n] for n, value in zip(near, values, strict=True) if value >= LEAST_COSINE]
    return found


def _read(memory: Path) -> dict[str, list[str]]:
    try:
        return json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}  # only a memory: what is lost is looked up again
