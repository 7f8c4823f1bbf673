"""A transformer cut in two: a frozen prefix whose states are cached, and a trainable suffix."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polyscene.backbone.pooling import pool
from polyscene.errors import BackboneError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHECK_TOLERANCE = 1e-4
"""Largest relative difference between the cut and the whole model, in float32 on random tokens."""


class Suffix(nn.Module):
    """The last layers of a backbone with pooling: ``forward(states_BLh, mask_BL) -> [B, h]`` in float32.

    The layers are ``suffix.stack.layer``, with the names that the model's own code gives to what is inside, so
    that adapters find their targets. They are trainable; everything else of the stack that the layers need
    (MPNet's relative position bias) belongs to the prefix too and stays frozen.
    """

    def __init__(self, stack: nn.Module, pooling: str, normalize: bool) -> None:
        super().__init__()
        self.stack = stack
        self.pooling, self.normalize = pooling, normalize

    def train(self, mode: bool = True) -> Suffix:
        """Stays in eval mode: the cached states below were made without dropout, too."""
        return super().train(False)

    def forward(self, states_BLh: Tensor, mask_BL: Tensor) -> Tensor:
        return pool(self.token_states(states_BLh, mask_BL), mask_BL, self.pooling, normalize=self.normalize)

    def token_states(self, states_BLh: Tensor, mask_BL: Tensor) -> Tensor:
        """Last hidden states ``[B, L, h]`` from the states that enter the suffix."""
        return self.stack(states_BLh, attention_mask=additive_mask(mask_BL, states_BLh.dtype))[0]


def additive_mask(mask_BL: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask that layers expect below the model's own front end: ``[B, 1, 1, L]``, 0 for tokens, most negative
    number for padding. The layers ignore the shape of a 2-D mask silently, which is why a cut must pass this one.
    """
    return (1.0 - mask_BL[:, None, None, :].to(dtype)) * torch.finfo(dtype).min


def cut(model: PreTrainedModel, layers: int, pooling: str, *, normalize: bool) -> Suffix:
    """Takes the last ``layers`` layers off ``model`` and returns them as a :class:`Suffix`.

    Afterwards ``model(...).last_hidden_state`` are the states that enter the suffix. The two halves are checked
    against the whole on random tokens, so an architecture that does more between its layers is refused.

    Raises:
        BackboneError: the model has too few layers, or no stack of layers that can be cut exactly.
    """
    kind = model.config.model_type
    stack = getattr(model, "encoder", None) or getattr(model, "transformer", None)
    block = getattr(stack, "layer", None)
    if not isinstance(stack, nn.Module) or not isinstance(block, nn.ModuleList):
        raise _cannot_cut(kind)
    if not 1 <= layers < len(block):
        raise BackboneError(
            f"cannot cut {layers} of {len(block)} layers off",
            where="backbone.suffix_layers",
            fix=f"use 1 to {len(block) - 1}",
        )
    tokens, mask = _random_tokens(model)
    with torch.inference_mode():
        whole = model(input_ids=tokens, attention_mask=mask).last_hidden_state

    top = copy.deepcopy(stack)
    top.layer = nn.ModuleList(list(copy.deepcopy(block))[-layers:])
    top.requires_grad_(False).layer.requires_grad_(True)
    stack.layer = nn.ModuleList(list(block)[:-layers])
    suffix = Suffix(top, pooling, normalize).eval()

    with torch.inference_mode():
        states = model(input_ids=tokens, attention_mask=mask).last_hidden_state
        again = suffix.token_states(states, mask)
    if not _close(again, whole, mask):
        raise _cannot_cut(kind)
    return suffix


def _random_tokens(model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    config = model.config
    padding = config.pad_token_id or 0
    device = next(model.parameters()).device
    tokens = torch.randint(padding + 1, config.vocab_size, (2, 6), generator=generator)
    mask = torch.ones_like(tokens)
    tokens[1, 4:], mask[1, 4:] = padding, 0
    return tokens.to(device), mask.to(device)


def _close(found: Tensor, expected: Tensor, mask: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    difference = ((found - expected).abs() * mask[..., None]).max()
    return bool(difference <= CHECK_TOLERANCE * expected.abs().max())


def _cannot_cut(kind: str) -> BackboneError:
    return BackboneError(
        f"a model of type '{kind}' cannot be cut at a layer",
        where="backbone.tune",
        fix="use tune=frozen, or a model of the BERT family (bert, roberta, electra, distilbert, mpnet)",
    )
