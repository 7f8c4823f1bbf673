"""What names a text or a model by its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyscene.data.files import atomic_path
from polyscene.errors import BackboneError

DIGEST_BYTES = 16
MODEL_SUFFIXES = (".safetensors", ".json", ".txt", ".model")
ORIGIN = "pretrained.json"
"""Says what a model that was trained further came from; what it computes does not depend on it."""


def text_digests(texts: Sequence[str]) -> np.ndarray:
    """BLAKE2b digests of texts, ``[n]`` of dtype ``S16``: 128 bits, so two texts never share one in practice.

    Lone surrogates, which UTF-8 cannot hold, count as question marks; the tokenizer sees them so as well.
    """
    joined = b"".join(
        hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=DIGEST_BYTES).digest() for text in texts
    )
    return np.frombuffer(joined, dtype=f"S{DIGEST_BYTES}")


def folder_digest(folder: Path, memory: Path) -> str:
    """Digest of a model folder: config, tokenizer and weight files, by name and content.

    Args:
        folder: the model folder (only files directly in it count).
        memory: JSON file that remembers digests by path, size and modification time, so that unchanged weights
            are not read again.
    """
    known = _read(memory)
    fresh: dict[str, list[str | int]] = {}
    total = hashlib.blake2b(digest_size=DIGEST_BYTES)
    files = (path for path in folder.iterdir() if path.suffix in MODEL_SUFFIXES and path.name != ORIGIN)
    for path in sorted(path for path in files if path.is_file()):
        resolved, stat = str(path.resolve()), path.stat()
        entry = known.get(resolved)
        if not entry or entry[:2] != [stat.st_size, stat.st_mtime_ns]:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest()
            entry = [stat.st_size, stat.st_mtime_ns, content]
            fresh[resolved] = entry
        total.update(f"{path.name}\0{entry[2]}\0".encode())
    if fresh:
        with atomic_path(memory, BackboneError) as path:
            path.write_text(json.dumps({**known, **fresh}, indent=1))
    return total.hexdigest()


def combined(**parts: str | int | bool) -> str:
    """One digest of named parts, independent of their order."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=DIGEST_BYTES).hexdigest()


def _read(memory: Path) -> dict[str, list[str | int]]:
    try:
        return json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}  # only a memory: what is lost is read again


def require_strings(texts: Sequence[str]) -> None:
    """Raise :class:`BackboneError` where a text is none."""
    wrong = next((i for i, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        raise BackboneError(
            f"text {wrong} is a {type(texts[wrong]).__name__}, not a string",
            where="backbone",
            fix="fill missing texts with '' before encoding",
        )
