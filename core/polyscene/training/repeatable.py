"""Attention whose gradients are the same in every run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def repeatable_attention(device: torch.device) -> Iterator[None]:
    """Within the block attention is computed by its formula on a GPU, and as always on other devices.

    A GPU's fused kernels add gradients up in whichever order they finish, unless every operation of the process is
    held to be repeatable on pain of an error, which would forbid plugins many a one.

    Args:
        device: where the model is.
    """
    if device.type != "cuda":
        yield
        return
    with sdpa_kernel(SDPBackend.MATH):
        yield
