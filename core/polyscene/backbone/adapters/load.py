"""Loading one saved adapter, ours or one that plain peft trained, as the adapter of one scenario."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from polyscene.backbone.adapters.adapted import Adapted
from polyscene.backbone.adapters.options import WHERE, AdaLoraOptions, LoraOptions, PeftOptions
from polyscene.backbone.adapters.save import ABOUT, CONFIG, PEFT_PREFIX, TENSORS
from polyscene.errors import CheckpointError

if TYPE_CHECKING:
    from polyscene.backbone.adapters.base import Base
    from polyscene.backbone.suffix import Suffix

_KINDS = {"LORA": "lora", "ADALORA": "adalora", "IA3": "ia3", "PREFIX_TUNING": "prefix"}

# Options of peft's LoRA that change what its tensors mean, and the value that changes nothing.
_PLAIN = {
    "use_dora": False,
    "use_qalora": False,
    "lora_bias": False,
    "bias": "none",
    "fan_in_fan_out": False,
    "alpha_pattern": {},
    "modules_to_save": None,
    "layer_replication": None,
    "trainable_token_indices": None,
    "target_parameters": None,
    "prefix_projection": False,
}
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq")


def load_adapter(suffix: Suffix, index: int, folder: Path, base: Base | None) -> None:
    """Give a scenario the adapter in a folder that :func:`export_peft` or peft's ``save_pretrained`` wrote.

    A LoRA with another ``alpha`` is scaled to mean the same; one that leaves out layers of the suffix starts
    fresh there.

    Args:
        suffix: with adapters of the same kind, rank and targets.
        index: the scenario's index.
        folder: the adapter's.
        base: the model around which the suffix's adapters stand; ``None`` skips the check.

    Raises:
        CheckpointError: no adapter there, or it does not fit.
        BackboneError: it is an adapter of another base.
    """
    options, modules = suffix.options, suffix.adapted()
    assert options is not None
    folder = folder.expanduser()
    about, config = _read_json(folder / ABOUT), _read_json(folder / CONFIG)
    if not about and not config:
        raise CheckpointError(
            f"there is no adapter in this folder (looked for {CONFIG})",
            where=str(folder),
            fix=f"give {WHERE}.init a folder that peft's save_pretrained or a run wrote",
        )
    kind = str(
        about.get("peft", {}).get("name") or _KINDS.get(config.get("peft_type", ""), config.get("peft_type"))
    )
    if kind != options.name:
        raise _misfit(
            folder, f"it is of kind '{kind}', {WHERE} is '{options.name}'", f"set {WHERE}.name, or train anew"
        )
    name = about.get("base") or config.get("base_model_name_or_path") or ""
    if base is not None:
        base.require(about.get("base_digest", ""), name, folder)
    _require_plain(config, folder)
    read = _read_tensors(folder / TENSORS)
    tensors = {key.removeprefix(PEFT_PREFIX): value for key, value in read.items()}
    first = next(iter(modules.values()))
    tensors = _scaled(type(first).from_file(tensors, modules), config, options)
    for module_name, own in _fitting(tensors, modules, suffix.place.first, folder).items():
        modules[module_name].load(index, own)


def _fitting(
    tensors: Mapping[str, Tensor], modules: Mapping[str, Adapted], first: int, folder: Path
) -> dict[str, dict[str, Tensor]]:
    """The tensors by module, after all names and shapes were checked."""
    found: dict[str, dict[str, Tensor]] = {}
    left = dict(tensors)
    for name, module in modules.items():
        own = {key: left.pop(f"{name}.{key}") for key in module.saved_as.values() if f"{name}.{key}" in left}
        if own:
            found[name] = own
            _require_shapes(name, module, own, folder)
    if left:
        lower = "" if first == 0 else f" (the first layer that is tuned is {first})"
        raise _misfit(
            folder,
            f"it adapts what {WHERE}.targets leaves out: {', '.join(sorted(left)[:3])}{lower}",
            "set the same targets, and tune as many layers (backbone.suffix_layers, or tune=full)",
        )
    # Whole layers may be missing, but not one target of a layer that has others.
    layers = {_layer(name) for name in found}
    missing = [name for name in modules if _layer(name) in layers and name not in found]
    if missing or not found:
        raise _misfit(
            folder,
            f"it has nothing for {', '.join((missing or list(modules))[:3])}",
            f"set {WHERE}.targets to those of the adapter",
        )
    return found


def _require_shapes(name: str, module: Adapted, own: Mapping[str, Tensor], folder: Path) -> None:
    for parameter, key in module.saved_as.items():
        if key not in own:
            raise _misfit(folder, f"'{name}.{key}' is missing", "save the adapter again")
        expected, shape = module.peft_shape(parameter), tuple(own[key].shape)
        if shape != expected:
            raise _misfit(
                folder,
                f"'{name}.{key}' has shape {list(shape)}, {list(expected)} is expected",
                f"set the rank (or number of tokens) and targets of {WHERE} to the adapter's",
            )


def _require_plain(config: Mapping[str, Any], folder: Path) -> None:
    odd = [
        f"{key}={config[key]!r}"
        for key, plain in _PLAIN.items()
        if config.get(key, plain) not in (plain, None, {}, [])
    ]
    start = str(config.get("init_lora_weights", "")).lower()
    odd += [f"init_lora_weights={start}" for kind in _CHANGES_BASE if start.startswith(kind)]
    if odd:
        raise _misfit(
            folder,
            f"adapters with {', '.join(odd)} cannot be mixed in a batch",
            "train it without these options",
        )


def _scaled(tensors: dict[str, Tensor], config: Mapping[str, Any], options: PeftOptions) -> dict[str, Tensor]:
    """The tensors with B changed so that our alpha stands for the adapter's."""
    if not config or not isinstance(options, LoraOptions | AdaLoraOptions) or options.alpha == 0:
        return tensors
    rank = options.rank**0.5 if config.get("use_rslora") else options.rank
    ratio = (config["lora_alpha"] / rank) / (options.alpha / options.rank)
    return {key: value * ratio if ".lora_B" in key else value for key, value in tensors.items()}


def _layer(name: str) -> str:
    return ".".join(name.split(".")[:3])  # encoder.layer.4


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"the file is damaged ({error})", where=str(path), fix="save the adapter again"
        ) from None


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"the tensors cannot be read ({error})",
            where=str(path),
            fix="save the adapter again, with safe_serialization=True",
        ) from None


def _misfit(folder: Path, what: str, fix: str) -> CheckpointError:
    return CheckpointError(f"the adapter does not fit: {what}", where=str(folder), fix=fix)
