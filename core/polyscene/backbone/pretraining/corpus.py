"""Texts as batches for language modeling: the same batch for the same seed and number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from polyscene.backbone.encode import Tokens
from polyscene.backbone.pretraining.masking import mask_words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SORTED = 16
"""Batches whose texts are sorted by length together: little padding, and still every text with many others."""


@dataclass(frozen=True)
class Batch:
    """B texts, and the M places at which the model is asked for a token.

    Args:
        ids_BL: int64 token ids as the model sees them.
        mask_BL: int64, 1 for tokens and 0 for padding.
        position_M: int64 places in the flattened ``[B * L]``.
        label_M: int64 the tokens that belong there.
    """

    ids_BL: Tensor
    mask_BL: Tensor
    position_M: Tensor
    label_M: Tensor

    def to(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The arguments of a :class:`polyscene.backbone.pretraining.language_model.LanguageModel`."""
        ids, mask, position, label = (
            tensor.to(device, non_blocking=True)
            for tensor in (self.ids_BL, self.mask_BL, self.position_M, self.label_M)
        )
        return ids, mask, position, label


class Corpus:
    """Tokenized texts.

    Args:
        tokenizer: of the model.
        texts: one or more; longer ones are cut at ``max_len`` tokens.
        max_len: most tokens of a text, special tokens included.
        rate: share of words that are hidden; None to ask for every next token, as a causal model is trained.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_len: int, rate: float | None
    ) -> None:
        self.tokens = Tokens(tokenizer, texts, max_len)
        self.rate = rate
        if rate is not None:
            words = (self.tokens.encoded.word_ids(text) for text in range(len(texts)))
            flat = (-1 if word is None else word for word in chain.from_iterable(words))
            self._word = np.fromiter(flat, np.int64, len(self.tokens.flat))
            self._mask = int(tokenizer.mask_token_id)  # type: ignore[arg-type]  (loading made sure that there is one)
            self._others = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)

    def __len__(self) -> int:
        return len(self.tokens.lengths)

    def draw(self, number: int, size: int, seed: int) -> Batch:
        """The batch of a number, from 0: ``size`` texts (all, if there are fewer); each pass has a new order."""
        size = min(size, len(self))
        epoch, place = divmod(number, len(self) // size)
        return self._batch(self._order(epoch, size, seed)[place], np.random.default_rng([seed, 1, number]))

    def every(self, budget: int, seed: int) -> Iterator[Batch]:
        """All texts once, in batches of at most ``budget`` tokens with padding."""
        for number, rows in enumerate(self.tokens.batches(budget)):
            yield self._batch(rows, np.random.default_rng([seed, 2, number]))

    def _order(self, epoch: int, size: int, seed: int) -> np.ndarray:
        """Positions of texts ``[batches, size]``; batches hold texts of similar length."""
        rng = np.random.default_rng([seed, 0, epoch])
        count = len(self) // size
        text_N = rng.permutation(len(self))[: count * size]
        group_N = np.arange(count * size) // (size * _SORTED)
        text_N = text_N[np.lexsort((self.tokens.lengths[text_N], group_N))]
        return rng.permutation(text_N.reshape(count, size))

    def _batch(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        ids, mask = self.tokens.padded(rows)
        ids_BL, mask_BL = ids.numpy(), mask.numpy().astype(bool)
        if self.rate is None:
            asked_BL = mask_BL & np.pad(mask_BL[:, 1:], ((0, 0), (0, 1)))  # there is a next token
            label_BL, seen_BL = np.roll(ids_BL, -1, axis=1), ids_BL
        else:
            word_BL = np.full(ids_BL.shape, -1)
            word_BL[mask_BL] = self._word[self.tokens.cells(rows)[1]]
            seen_BL, asked_BL = mask_words(
                ids_BL, word_BL, rate=self.rate, mask=self._mask, others=self._others, rng=rng
            )
            label_BL = ids_BL
        position_M = np.flatnonzero(asked_BL)
        return Batch(
            torch.from_numpy(seen_BL),
            mask,
            torch.from_numpy(position_M),
            torch.from_numpy(label_BL.ravel()[position_M]),
        )
