"""Large tensors of a version as files mapped into memory, which all processes of a machine then hold once."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from polyscene.data.files import atomic_path
from polyscene.errors import ServingError
from polyscene.serving.engine import Engine
from polyscene.training.memory import give_back_freed_memory

LEAST_BYTES = 1 << 16
"""Smaller tensors stay where they are."""
_VERSIONS = 4
# Ids are many, and hold nothing.
_PLAIN = (str, int, float, bytes, type(None))


def share_tensors(engine: Engine, folder: Path, least: int = LEAST_BYTES) -> int:
    """Put an engine's tensors into files, and let it read them from there.

    Whoever loads the same version finds the same bytes in the files, and the pages in memory are those that others
    read already. Writing to such a tensor copies the page that is written to, for this process alone. A file that
    holds other bytes is replaced, so that nothing in the folder can change an answer.

    Args:
        engine: of a version, fresh; its tensors on the CPU are moved.
        folder: of this version; the files of the last few versions beside it are kept.
        least: bytes of a tensor that is moved.

    Returns:
        Bytes that are shared now.

    Raises:
        ServingError: the disk is full, or the folder cannot be written.
    """
    try:
        return _shared(engine, folder, least)
    except OSError as error:  # such as when another process just removed what is old
        raise ServingError(f"tensors cannot be shared: {error.strerror or error}", where=str(folder)) from error


def _shared(engine: Engine, folder: Path, least: int) -> int:
    shared = 0
    with torch.inference_mode():
        for path, tensor in tensors_of(engine):
            size = tensor.numel() * tensor.element_size()
            # Others stay: in another layout a product may be rounded otherwise, and an expanded one would grow.
            if tensor.device.type == "cpu" and size >= least and _is_flat(tensor):
                _move(tensor, folder / f"{blake2b(path.encode(), digest_size=16).hexdigest()}.bin")
                shared += size
    if shared:
        give_back_freed_memory()
        folder.touch()
        _forget_others(folder)
    return shared


def tensors_of(root: object) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that polyscene's objects, modules and containers hold, once, by where it was found first."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", root)]
    for path, one in waiting:  # grows while it is read
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Tensor):
            yield path, one
        else:
            waiting += [(f"{path}.{key}", value) for key, value in _inside(one) if not isinstance(value, _PLAIN)]


def _inside(one: object) -> Iterable[tuple[object, Any]]:
    if isinstance(one, dict):
        return one.items()
    if isinstance(one, list | tuple):
        return enumerate(one)
    if isinstance(one, nn.Module) or type(one).__module__.startswith("polyscene."):
        slots = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
        own = {name: getattr(one, name) for name in slots if hasattr(one, name)}
        return [*own.items(), *getattr(one, "__dict__", {}).items()]
    return ()


def _is_flat(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.is_contiguous()


def _move(tensor: Tensor, path: Path) -> None:
    """Let a tensor be its file."""
    values = tensor.detach().reshape(-1).view(torch.uint8).numpy()
    if not _holds(path, values):
        with atomic_path(path, ServingError) as temporary:
            values.tofile(temporary)
    mapped = torch.from_numpy(np.memmap(path, np.uint8, mode="c"))
    tensor.set_(mapped.view(tensor.dtype).view(tensor.shape))  # type: ignore[arg-type]


def _holds(path: Path, values: np.ndarray) -> bool:
    try:
        return path.stat().st_size == values.nbytes and np.array_equal(np.memmap(path, np.uint8, mode="r"), values)
    except OSError:
        return False


def _forget_others(folder: Path) -> None:
    """Files that are still mapped live on without a name."""
    others = sorted((one for one in folder.parent.iterdir() if one.is_dir()), key=lambda one: one.stat().st_mtime)
    for old in others[:-_VERSIONS]:
        shutil.rmtree(old, ignore_errors=True)
