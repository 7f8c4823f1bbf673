"""Cutting a transformer in two: a frozen prefix whose states are cached, and a suffix that training works on."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polyscene.backbone.suffix import Place, Suffix
from polyscene.errors import BackboneError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHECK_TOLERANCE = 1e-4
"""Largest relative difference between the cut and the whole model, in float32 on random tokens."""


def cut(model: PreTrainedModel, layers: int | None, pooling: str, *, normalize: bool) -> Suffix:
    """Takes the last ``layers`` layers off ``model`` and returns them as a :class:`Suffix`.

    Afterwards ``model(...).last_hidden_state`` are the states that enter the suffix. The two halves are checked
    against the whole on random tokens, so an architecture that does more between its layers is refused.

    Args:
        model: changed in place.
        layers: how many, ``None`` for all of them: what stays is the embedding of tokens.
        pooling: of the suffix.
        normalize: whether its vectors have length 1.

    Raises:
        BackboneError: the model has too few layers, or no stack of layers that can be cut exactly.
    """
    kind = model.config.model_type
    name = "encoder" if getattr(model, "encoder", None) is not None else "transformer"
    stack = getattr(model, name, None)
    block = getattr(stack, "layer", None)
    if not isinstance(stack, nn.Module) or not isinstance(block, nn.ModuleList):
        raise _cannot_cut(kind)
    if layers is not None and not 1 <= layers < len(block):
        raise BackboneError(
            f"cannot cut {layers} of {len(block)} layers off",
            where="backbone.suffix_layers",
            fix=f"use 1 to {len(block) - 1}, or backbone.tune=full for all of them",
        )
    tokens, mask = _random_tokens(model)
    with torch.inference_mode():
        whole = model(input_ids=tokens, attention_mask=mask).last_hidden_state

    first = 0 if layers is None else len(block) - layers
    top = copy.deepcopy(stack)
    top.layer = nn.ModuleList(list(copy.deepcopy(block))[first:])
    top.requires_grad_(False).layer.requires_grad_(True)
    stack.layer = nn.ModuleList(list(block)[:first])
    suffix = Suffix(top, pooling, normalize, Place(name, first, model.config)).eval()

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
