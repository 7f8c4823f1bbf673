"""A model's files from the Hugging Face hub or its local cache."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from polyscene.errors import BackboneError

WANTED = ["*.json", "*.txt", "*.model", "*.safetensors"]
NESTED = ["*/*"]
"""Other formats of the same model (onnx, openvino) lie in folders of their own."""


def hub_folder(model: str) -> Path:
    """The folder of a hub id: from the local cache, else fetched into it.

    Raises:
        BackboneError: no such id, or not at hand and not reachable.
    """
    where = f"backbone.model={model}"
    try:
        return Path(snapshot_download(model, allow_patterns=WANTED, ignore_patterns=NESTED, local_files_only=True))
    except HFValidationError as error:
        raise BackboneError(
            "this is neither a folder nor a hub id", where=where, fix="check the path, or write it as 'owner/name'"
        ) from error
    except LocalEntryNotFoundError:
        pass  # not fetched yet
    try:
        return Path(snapshot_download(model, allow_patterns=WANTED, ignore_patterns=NESTED))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise BackboneError(
            f"the model is not on this machine and could not be fetched ({_first_line(error)})",
            where=where,
            fix="check the spelling and the network (HF_HUB_OFFLINE forbids fetching), or give a local folder",
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
