"""Saving adapters, one folder per scenario, in the format of peft where peft has the kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from polyscene.config.plain import to_mapping
from polyscene.data.files import atomic_path
from polyscene.errors import CheckpointError

if TYPE_CHECKING:
    from polyscene.backbone.suffix import Suffix

TENSORS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
ABOUT = "polyscene.json"
PEFT_PREFIX = "base_model.model."
FORMAT = 1


def export_peft(suffix: Suffix, folder: Path) -> list[Path]:
    """Write the adapter of each scenario to ``folder/SCENARIO``.

    ``PeftModel.from_pretrained(model, folder / SCENARIO)`` reads it, with the whole pretrained model: LoRA,
    AdaLoRA and (IA)3 always, prefixes if they reach all layers (``tune=full``). peft has no bottleneck, and no
    prefix for some layers only: those folders lack ``adapter_config.json``. ``polyscene.json`` says what it
    is, and names its base by content, so that any of them can be in ``backbone.peft.init``.

    Args:
        suffix: with adapters.
        folder: is made.

    Returns:
        The scenarios' folders.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    modules, base = suffix.adapted(), suffix.base
    kind = type(next(iter(modules.values())))
    whole = suffix.place.first == 0
    config = kind.peft_config(suffix.options, modules, whole=whole)
    written = []
    for index, name in enumerate(suffix.scenarios):
        into = folder / (name or "adapter")
        tensors = kind.to_file(modules, index, whole=whole)
        prefix = "" if "prompt_embeddings" in tensors else PEFT_PREFIX
        about = {
            "format": FORMAT,
            "scenario": name,
            "base": base.name if base else "",
            "base_digest": base.digest if base else "",
            "loads_with_peft": config is not None,
            "peft": {**to_mapping(suffix.options), "init": {}},
        }
        # The config goes last: who finds it finds a whole adapter.
        _write_tensors(into / TENSORS, {prefix + key: value for key, value in tensors.items()})
        _write_json(into / ABOUT, about)
        if config is not None:
            _write_json(into / CONFIG, _complete(config, about["base"]))
        written.append(into)
    return written


def _complete(config: Mapping[str, Any], base_name: str) -> dict[str, Any]:
    """The config with everything that the installed peft writes beside it."""
    import peft  # takes seconds, so it waits until an adapter is saved

    given = {key: value for key, value in config.items() if key != "peft_type"}
    kind = peft.PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(config["peft_type"])]
    made = kind(**given, task_type="FEATURE_EXTRACTION", base_model_name_or_path=base_name, inference_mode=True)
    return {key: sorted(value) if isinstance(value, set) else value for key, value in made.to_dict().items()}


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    with atomic_path(path, CheckpointError) as partial:
        partial.write_text(json.dumps(value, indent=1, default=str) + "\n", encoding="utf-8")


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    with atomic_path(path, CheckpointError) as partial:
        try:
            save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, partial)
        except SafetensorError as error:
            raise CheckpointError(
                f"cannot write: {error}", where=str(path), fix="free some space or choose another folder"
            ) from error
