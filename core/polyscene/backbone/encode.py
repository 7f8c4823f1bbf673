"""Texts through a frozen model, sorted by length, in batches of a token budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from polyscene.backbone.config import BackboneConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHUNK = 4096
"""Texts that are tokenized, sorted and committed together: what a killed run loses at most."""
_TOKENS_ON_CPU, _TOKENS_ELSEWHERE = 2048, 65_536


def batch_tokens(config: BackboneConfig, model: nn.Module) -> int:
    """Tokens of an encoding batch: those of the config, else what suits the device of the model."""
    if config.batch_tokens is not None:
        return config.batch_tokens
    return _TOKENS_ON_CPU if _device(model).type == "cpu" else _TOKENS_ELSEWHERE


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def chunks(texts: Sequence[str], size: int = CHUNK) -> Iterator[np.ndarray]:
    """Positions of texts in chunks of similar length, longest first, so that memory and time show early."""
    order = np.argsort(-np.fromiter(map(len, texts), np.int64, len(texts)), kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]


class Tokens:
    """Token ids of n texts as one flat array.

    Args:
        tokenizer: of the model; a text is cut at ``max_len`` tokens.
        texts: n texts; characters that UTF-8 cannot hold become question marks.
        max_len: most tokens of a text, special tokens included; None takes them all.

    Attributes:
        encoded: what the tokenizer gave.
        flat: int64 ids of all tokens, one text after the other.
        offsets: int64 ``[n + 1]``, where each text begins in it.
        lengths: int64 ``[n]``, tokens of each text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_len: int | None) -> None:
        self.encoded = tokenizer(
            [text.encode("utf-8", "replace").decode() for text in texts],
            truncation=max_len is not None,
            max_length=max_len,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        ids = self.encoded["input_ids"]
        self.lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        self.offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        self.flat = np.fromiter(chain.from_iterable(ids), np.int64, int(self.offsets[-1]))
        self.padding = tokenizer.pad_token_id or 0

    def batches(self, budget: int) -> Iterator[np.ndarray]:
        """Positions of texts, longest first, at most ``budget`` tokens with padding (one text at least)."""
        order = np.argsort(-self.lengths, kind="stable")
        start = 0
        while start < len(order):
            rows = max(1, budget // max(1, int(self.lengths[order[start]])))
            yield order[start : start + rows]
            start += rows

    def padded(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Token ids and attention mask (1 or 0) of some texts, both ``[B, L]`` int64."""
        mask_BL, source = self.cells(rows)
        ids_BL = np.full(mask_BL.shape, self.padding, dtype=np.int64)
        ids_BL[mask_BL] = self.flat[source]
        return torch.from_numpy(ids_BL), torch.from_numpy(mask_BL.astype(np.int64))

    def cells(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where a padded batch of some texts has tokens, bool ``[B, L]``, and which of the flat ones they are."""
        length_B = self.lengths[rows]
        mask_BL = np.arange(length_B.max()) < length_B[:, None]
        return mask_BL, (self.offsets[rows][:, None] + np.arange(mask_BL.shape[1]))[mask_BL]


@torch.inference_mode()
def encode(
    model: nn.Module,
    tokens: Tokens,
    budget: int,
    reduce: Callable[[Tensor, Tensor], Tensor],
    *,
    per_token: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> Tensor:
    """Runs all texts through the model.

    Args:
        model: called with ``input_ids`` and ``attention_mask``; gives ``last_hidden_state``.
        tokens: the n texts.
        budget: tokens of a batch, padding included.
        reduce: ``(states_BLh, mask_BL) -> rows``: ``[B, h]``, or ``[tokens of the batch, h]`` if ``per_token``.
        per_token: whether ``reduce`` keeps one row for each token.
        advance: told the number of texts of each finished batch.

    Returns:
        the rows of all texts in the order of ``tokens``, on the CPU.
    """
    device = _device(model)
    done: list[Tensor] = []
    order: list[np.ndarray] = []
    for rows in tokens.batches(budget):
        ids, mask = (tensor.to(device) for tensor in tokens.padded(rows))
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state
        done.append(reduce(states, mask))
        order.append(rows)
        advance(len(rows))
    lengths = tokens.lengths if per_token else np.ones_like(tokens.lengths)
    # Fetched together: the device goes on with a batch while the next one is made ready here.
    return _restored(torch.cat(done).cpu(), np.concatenate(order), lengths)


def _restored(values: Tensor, order: np.ndarray, lengths: np.ndarray) -> Tensor:
    """Rows of texts (``lengths`` of them each) that were computed in ``order``, back in the order of the texts."""
    start = np.empty(len(order), dtype=np.int64)
    start[order] = np.cumsum(lengths[order]) - lengths[order]
    within = np.arange(len(values)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return values[torch.from_numpy(np.repeat(start, lengths) + within)]
