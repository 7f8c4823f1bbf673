"""What decides what is stored for a text: the parts of its content key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from polyscene.backbone.config import BackboneConfig
from polyscene.data.files import atomic_path
from polyscene.errors import BackboneError

FORMAT = 1
"""Part of every content key: raise it when the meaning of stored values changes."""


def about(
    config: BackboneConfig, model: str, dtype: torch.dtype, shift: int | None
) -> dict[str, str | int | bool]:
    """All that what is computed for a text depends on, beside the text.

    Args:
        config: how texts are read.
        model: digest of the model's files.
        dtype: precision in which they are encoded.
        shift: positions that come before those of a text, where states of tokens are stored; None for pooled
            vectors.
    """
    common = {
        "format": FORMAT,
        "model": model,
        "max_len": config.max_len,
        "dtype": str(dtype).removeprefix("torch."),
    }
    if shift is None:
        return {**common, "pooling": config.pooling, "normalize": config.normalize}
    if config.tune == "full":
        shifted = {"positions from": shift} if shift else {}
        return {**common, "states": "before all layers", **shifted}
    return {**common, "states": f"before the last {config.suffix_layers} layers"}


def keep_about(folder: Path, named: Mapping[str, str | int | bool]) -> None:
    """Write down beside stored vectors what they depend on, for people; once.

    Raises:
        BackboneError: the disk is full, or the folder cannot be written to.
    """
    note = folder / "about.json"
    if not note.exists():
        with atomic_path(note, BackboneError) as path:
            path.write_text(json.dumps(dict(named), indent=1))
