"""Checkpoints: everything that training needs to go on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.backbone.adapters.save import export_peft
from polyscene.backbone.suffix import Suffix
from polyscene.errors import CheckpointError
from polyscene.features.encoder import Fitted, SharedModules
from polyscene.training.files import read_json, read_tensors, write_json, write_tensors

SHARED = "shared.json"

SERVED = "objective.safetensors"


def save_model(directory: Path, model: nn.Module, facts: Mapping[str, Any]) -> None:
    """Write ``model.safetensors``, ``model.json`` and ``shared.json``.

    Args:
        directory: where they go.
        model: the model.
        facts: what is needed to build the model again: what the encoders of each scenario learned.
    """
    write_tensors(directory / "model.safetensors", unique_state(model))
    write_json(directory / "model.json", dict(facts))
    write_json(directory / SHARED, shared_facts(model))


def shared_facts(model: nn.Module) -> dict[str, Any]:
    """What shared modules learned besides parameters (the ids of a space), by key."""
    shared: dict[str, nn.Module] = dict(getattr(model, "shared", SharedModules()).modules_by_key.items())
    return {key: module.fitted() for key, module in shared.items() if isinstance(module, Fitted)}


def save_served(directory: Path, module: nn.Module | None) -> None:
    """Write ``objective.safetensors``: what serving needs besides the model, where there is any."""
    state = {} if module is None else unique_state(module)
    if state:
        write_tensors(directory / SERVED, state)


def save_adapters(directory: Path, model: nn.Module) -> None:
    """Write adapters inside the backbone to ``adapters/SCENARIO``, in the format of peft: :func:`export_peft`."""
    for module in model.modules():
        if isinstance(module, Suffix) and module.options is not None:
            export_peft(module, directory / "adapters")


def load_weights(path: Path, model: nn.Module) -> None:
    """Load a state written by this module, bit for bit.

    Raises:
        CheckpointError: the file belongs to another model; all differences are named.
    """
    load_state(read_tensors(path), model, where=str(path))


def load_state(state: Mapping[str, Tensor], model: nn.Module, *, where: str) -> None:
    """Load a state into a model whose names and shapes must be the same."""
    expected = unique_state(model)
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    shapes = [
        f"'{name}' has shape {list(state[name].shape)}, the model has {list(expected[name].shape)}"
        for name in sorted(expected.keys() & state.keys())
        if state[name].shape != expected[name].shape
    ]
    if missing or unknown or shapes:
        lines = [
            *shapes,
            *(f"'{name}' is missing" for name in missing),
            *(f"'{name}' is not part of the model" for name in unknown),
        ]
        shown = "\n".join(f"  - {line}" for line in lines[:10])
        more = f"\n  - and {len(lines) - 10} more" if len(lines) > 10 else ""
        raise CheckpointError(
            f"the checkpoint belongs to another model:\n{shown}{more}",
            where=where,
            fix="use the config and the data that the run was trained with",
        )
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(state[name])


def save_training(
    directory: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, facts: dict[str, Any]
) -> None:
    """Write the state of training: modules by name (model, balancer), optimizer and facts.

    The tensors carry the step in their file name, the json names the file. The json is written last, so that a
    process killed in between leaves the previous state whole.
    """
    step = facts["step"]
    tensors = {
        f"{key}.{name}": tensor for key, module in modules.items() for name, tensor in unique_state(module).items()
    }
    for group_index, group in enumerate(optimizer.param_groups):
        for index, parameter in enumerate(group["params"]):
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{group_index}.{index}.{key}"] = value
    name = f"training-{step}.safetensors"
    write_tensors(directory / name, tensors)
    write_json(directory / "training.json", {**facts, "tensors": name})
    for old in directory.glob("training-*.safetensors"):
        if old.name != name:
            old.unlink(missing_ok=True)


def load_training(
    directory: Path, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer
) -> dict[str, Any] | None:
    """Restore the state of training and return its facts, or ``None`` where training has not begun."""
    if not (directory / "training.json").is_file():
        return None
    facts = read_json(directory / "training.json")
    path = directory / facts.pop("tensors")
    tensors = read_tensors(path)
    for key, module in modules.items():
        prefix = f"{key}."
        state = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        load_state(state, module, where=str(path))
    for group_index, group in enumerate(optimizer.param_groups):
        for index, parameter in enumerate(group["params"]):
            prefix = f"optimizer.{group_index}.{index}."
            restored = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            if restored:
                optimizer.state[parameter] = {key: t.to(parameter.device) for key, t in restored.items()}
    return facts


def unique_state(model: nn.Module) -> dict[str, Tensor]:
    """The model's state with every tensor once, under its first name."""
    seen: set[int] = set()
    state = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            state[name] = tensor
    return state
