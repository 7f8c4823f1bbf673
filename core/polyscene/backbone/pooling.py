"""Token states to one vector per text."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.backbone.config import BackboneConfig


def pool(states_BLh: Tensor, mask_BL: Tensor, pooling: str, *, normalize: bool) -> Tensor:
    """One vector per text, in float32 whatever the precision of the states.

    Args:
        states_BLh: last hidden states of B texts padded to L tokens.
        mask_BL: true (or 1) for tokens, false for padding; every text has at least one token.
        pooling: ``mean`` over the tokens (Sentence-BERT, Reimers and Gurevych 2019), ``cls`` for the first
            token, ``last`` for the last one that is no padding.
        normalize: divide by the Euclidean length.

    Returns:
        ``[B, h]``
    """
    states_BLh = states_BLh.float()
    if pooling == "mean":
        weights_BL1 = mask_BL.unsqueeze(-1).to(states_BLh.dtype)
        pooled_Bh = (states_BLh * weights_BL1).sum(1) / weights_BL1.sum(1)
    else:
        position_BL = torch.arange(mask_BL.shape[1], device=mask_BL.device) * (mask_BL != 0)
        index_B = position_BL.argmax(1) if pooling == "last" else (mask_BL != 0).int().argmax(1)
        pooled_Bh = states_BLh.gather(1, index_B[:, None, None].expand(-1, 1, states_BLh.shape[2])).squeeze(1)
    return functional.normalize(pooled_Bh, dim=1) if normalize else pooled_Bh


def reduction(config: BackboneConfig, *, states: bool = False) -> Callable[[Tensor, Tensor], Tensor]:
    """What is kept of states ``[B, L, h]`` and mask ``[B, L]`` of texts: all states of tokens, or one vector."""
    if states:
        return lambda states_BLh, mask_BL: states_BLh[mask_BL.bool()]
    return lambda states_BLh, mask_BL: pool(states_BLh, mask_BL, config.pooling, normalize=config.normalize)
