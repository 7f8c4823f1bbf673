"""Model and tokenizer from a folder. Importing this module imports transformers, which takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)
from transformers.utils import logging

from polyscene.errors import BackboneError

FROM_FOLDER: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""Nothing is fetched, and no code from the folder runs."""
WEIGHTS: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}


def load_encoder(folder: Path, device: torch.device, pooling: str) -> PreTrainedModel:
    """The encoder in float32, frozen and in eval mode. Only safetensors are read and no code from the folder runs.

    Raises:
        BackboneError: not an encoder of text, or the weights do not fit.
    """
    with telling_why(folder):
        config = AutoConfig.from_pretrained(folder, **FROM_FOLDER)
        _refuse_others(config.model_type, config.is_encoder_decoder, pooling, folder)
        model, report = AutoModel.from_pretrained(folder, config=config, **WEIGHTS, **FROM_FOLDER)
    # transformers would fill what is missing with random numbers; only the pooler, which we never use, may be.
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise BackboneError(
            f"the weights lack {len(missing)} of the model's tensors ({', '.join(missing[:3])})",
            where=str(folder),
            fix="the file belongs to another model or is incomplete: fetch or save it again",
        )
    return model.requires_grad_(False).eval().to(device)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder.

    Raises:
        BackboneError: its files cannot be read.
    """
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, **FROM_FOLDER)
    except Exception as error:  # the Rust tokenizers raise plain Exception
        raise BackboneError(
            f"the tokenizer cannot be loaded ({str(error).strip().splitlines()[0]})",
            where=str(folder),
            fix="save it again with `tokenizer.save_pretrained(folder)`",
        ) from error
    return tokenizer


def _refuse_others(kind: str, encoder_decoder: bool, pooling: str, folder: Path) -> None:
    if encoder_decoder:
        raise BackboneError(
            f"a model of type '{kind}' is an encoder with a decoder",
            where=str(folder),
            fix="choose a plain text encoder such as a BERT model",
        )
    causal = kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if causal and pooling != "last":
        raise BackboneError(
            f"a model of type '{kind}' reads from left to right, so only its last token has seen the whole text",
            where=str(folder),
            fix="choose a text encoder, or pooling=last if this model was trained for embeddings",
        )


@contextmanager
def telling_why(folder: Path) -> Iterator[None]:
    """Loads quietly; what transformers raises comes out as a :class:`BackboneError` that names the folder."""
    try:
        with quiet():
            yield
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise BackboneError(
            f"the model cannot be loaded ({str(error).strip().splitlines()[0]})",
            where=str(folder),
            fix="fetch or save it again, or choose a text encoder that transformers knows without remote code",
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Loads without transformers' own bars and reports; the caller has a progress bar for what takes time."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
