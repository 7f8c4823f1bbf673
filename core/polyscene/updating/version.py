"""Versions that updates make: the files of the version before, with the tensors that learning changed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from polyscene.errors import ServingError
from polyscene.model import PolysceneModel
from polyscene.serving.counting import UPDATE
from polyscene.serving.deployment import Deployment
from polyscene.training.checkpoint import save_adapters, unique_state
from polyscene.training.files import read_tensors, write_json, write_tensors
from polyscene.training.folder import CHECKPOINTS

BY = "polyscene update"


@contextmanager
def updating(deployment: Deployment) -> Iterator[Path]:
    """Alone with a deployment among all updates; gives an empty folder to work in, which is removed afterwards.

    What an update leaves there that was killed is removed by the next.

    Raises:
        ServingError: another update is at work.
    """
    folder = deployment.folder / ".update"
    try:
        with FileLock(deployment.folder / ".update.lock", timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except Timeout:
        raise ServingError(
            "another update of this deployment is at work",
            where=str(deployment.folder),
            fix="wait until it is done",
        ) from None


def changed_state(parent: Path, model: PolysceneModel, changed: list[Tensor]) -> dict[str, Tensor]:
    """The checkpoint of the version before with other values in the tensors that learning moved.

    What a tensor holds of items that came after training is not kept: it is made anew whenever they come.
    """
    state = read_tensors(parent)
    ids = {id(tensor) for tensor in changed}
    for name, tensor in unique_state(model).items():
        if id(tensor) in ids and name in state:
            whole = tensor.detach().cpu()
            state[name] = whole[tuple(slice(size) for size in state[name].shape)].clone()
    return state


def write_version(
    folder: Path,
    parent: Path,
    label: str,
    model: PolysceneModel,
    *,
    changed: list[Tensor],
    facts: Mapping[str, Any],
) -> Path:
    """Write a run into ``folder`` that deployments can adopt; its own folder, named after the run it goes back to.

    Args:
        folder: an empty folder on the disk of the deployment.
        parent: the run of the version before.
        label: which of its models.
        model: the model that learned.
        changed: its tensors that learning moved.
        facts: what ``update.json`` says.
    """
    name = re.sub(r"(-u\d+)?-[0-9a-f]{8}$", "", parent.name)
    place = folder / f"{name}-u{facts['number']}"
    shutil.copytree(parent, place, copy_function=_link)
    for old in (place / UPDATE, place / CHECKPOINTS / label / "model.safetensors"):
        old.unlink(missing_ok=True)
    own = place / CHECKPOINTS / label
    if (own / "adapters").is_dir():
        shutil.rmtree(own / "adapters")
        save_adapters(own, model)
    weights = parent / CHECKPOINTS / label / "model.safetensors"
    write_tensors(own / "model.safetensors", changed_state(weights, model, changed))
    write_json(place / UPDATE, dict(facts))
    return place


def _link(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)
