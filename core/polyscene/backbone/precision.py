"""Which precision a model is run in, and the check that it is precise enough."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.data.files import atomic_path
from polyscene.errors import BackboneError

logger = logging.getLogger(__name__)

LEAST_COSINE = 0.999
"""Every checked text must keep at least this cosine to its float32 vector."""


def natively_bfloat16(device: torch.device) -> bool:
    """Whether the device computes bfloat16 products in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        # Names differ between platforms (avx512_bf16, amx_bf16, ...); all of them end alike.
        return any(able for name, able in torch.cpu.get_capabilities().items() if name.endswith("bf16"))
    return False


def chosen_dtype(wanted: str, device: torch.device, model_digest: str, memory: Path) -> torch.dtype:
    """The precision to encode in: as the config wants, unless an earlier check found bfloat16 too coarse."""
    if wanted == "float32" or (wanted == "auto" and not natively_bfloat16(device)):
        return torch.float32
    return torch.float32 if model_digest in _too_coarse(memory) else torch.bfloat16


def lowered(
    model: nn.Module, vectors: Callable[[nn.Module], Tensor], model_digest: str, memory: Path
) -> nn.Module | None:
    """A bfloat16 copy of ``model``, or ``None`` (said and remembered) if its vectors differ too much.

    Args:
        model: in float32.
        vectors: pooled vectors ``[n, h]`` of a sample of texts under a model.
        model_digest: names the model in the memory.
        memory: JSON file of models for which bfloat16 is too coarse.
    """
    low = copy.deepcopy(model).to(torch.bfloat16)
    cosine = functional.cosine_similarity(vectors(model), vectors(low), dim=1).min().item()
    if cosine >= LEAST_COSINE:
        return low
    logger.warning(
        "bfloat16 changes this backbone's vectors too much (smallest cosine %.5f, %.3f is needed): using float32",
        cosine,
        LEAST_COSINE,
    )
    with atomic_path(memory, BackboneError) as path:
        path.write_text(json.dumps({**_too_coarse(memory), model_digest: round(cosine, 6)}, indent=1))
    return None


def _too_coarse(memory: Path) -> dict[str, float]:
    try:
        return json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}  # only a memory: the check is made again
