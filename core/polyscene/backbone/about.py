"""What decides what is stored for a text: the parts of its content key."""

from __future__ import annotations

import torch

from polyscene.backbone.config import BackboneConfig

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
