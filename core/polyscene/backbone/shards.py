"""One shard of the activation store: a safetensors file whose name is the digest of its bytes."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from polyscene.backbone.digests import DIGEST_BYTES
from polyscene.data.files import atomic_path
from polyscene.errors import BackboneError

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Shard:
    """Texts and their ragged values, memory-mapped.

    Args:
        digests: ``[n]`` dtype ``S16``.
        offsets: ``[n + 1]`` int64; text i owns rows ``offsets[i]`` to ``offsets[i + 1]`` of the values.
        values: ``[offsets[-1], h]``, read from the file as needed.
    """

    digests: np.ndarray
    offsets: np.ndarray
    values: Tensor


def write_shard(folder: Path, digests: np.ndarray, lengths: np.ndarray, values: Tensor) -> Path:
    """Writes a shard atomically; the same content written twice is one file."""
    content = save(
        {
            "digests": torch.from_numpy(digests.view(np.uint8).reshape(-1, DIGEST_BYTES).copy()),
            "offsets": torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)),
            "values": values.contiguous(),
        }
    )
    path = folder / f"{hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()}{SUFFIX}"
    with atomic_path(path, BackboneError) as temporary:
        temporary.write_bytes(content)
    return path


def read_shard(path: Path, width: int, dtype: torch.dtype) -> Shard | None:
    """Opens a shard after checking every byte of it; ``None`` if it is damaged."""
    try:
        if _digest(path) != path.stem:
            return None
        with safe_open(path, framework="pt") as file:
            digests, offsets, values = (file.get_tensor(name) for name in ("digests", "offsets", "values"))
    except (OSError, ValueError, SafetensorError):
        return None
    if values.dtype != dtype or values.shape[1] != width:
        return None
    return Shard(digests.numpy().view(f"S{DIGEST_BYTES}").reshape(-1), offsets.numpy(), values)


def _digest(path: Path) -> str:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()
