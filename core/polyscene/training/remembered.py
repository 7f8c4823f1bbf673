"""Rows that a router has read of the scenarios that it knows, so that it can learn a further one without them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from polyscene.data.sampling import RowSampler, Sampler, WindowSampler, step_generator
from polyscene.data.shots import ShotSampler
from polyscene.data.windows import Windows
from polyscene.model import PolysceneModel
from polyscene.sequence.states import before_each_step
from polyscene.training.files import read_tensors, write_tensors
from polyscene.training.loading import LoadedScenario

ROUTER = "router.safetensors"
_ROWS = 256
_PURPOSE = 0x4007  # keeps the draw apart from those of training with the same seed


def save_remembered(directory: Path, rows: Mapping[str, Tensor]) -> None:
    """Write ``router.safetensors``: some rows ``[M, d]`` of each scenario, where there are any."""
    if rows:
        write_tensors(directory / ROUTER, rows)


def read_remembered(directory: Path) -> dict[str, Tensor]:
    """What :func:`save_remembered` wrote; empty where there is no router."""
    path = directory / ROUTER
    return read_tensors(path) if path.is_file() else {}


def remembered(model: PolysceneModel, scenarios: Mapping[str, LoadedScenario], seed: int) -> dict[str, Tensor]:
    """Up to 256 training rows of each scenario as the router reads them, by name; none without a router.

    Args:
        model: the model, as it is served.
        scenarios: those that its router learned.
        seed: of the choice of rows.
    """
    if model.router is None:
        return {}
    rows = {name: router_rows(model, one, seed) for name, one in scenarios.items()}
    return {name: x_Md for name, x_Md in rows.items() if len(x_Md)}


@torch.no_grad()
def router_rows(model: PolysceneModel, one: LoadedScenario, seed: int) -> Tensor:
    """Labelled training rows of a scenario ``[M, d]``, M <= 256: the mean of each one's past, or its query.

    A row without a past, which looks the same in every scenario, is left out where others have one.
    """
    name, training = one.scenario.name, model.training
    sampler, count = _sampler(model, one, seed)
    if not count:
        return torch.empty(0, model.user_bank.d_model, device=model.device)
    model.eval()
    generator = step_generator(seed, _PURPOSE, model.device)
    x_Md = _one_of_each(model, name, sampler.draw(count, generator), generator)
    model.train(training)
    return x_Md


def _one_of_each(model: PolysceneModel, name: str, windows: Windows, generator: torch.Generator) -> Tensor:
    """A row of each window that has one to read."""
    past_BTd = model.past(name, windows, model.catalogue(name))
    if model.main_task(name).from_history:
        past_BTd = before_each_step(past_BTd, windows)
    counts_BT = windows.valid_BT if windows.labelled_BT is None else windows.labelled_BT
    told_BT = counts_BT & past_BTd.ne(0).any(-1)
    counts_BT = told_BT if bool(told_BT.any()) else counts_BT
    chance_BT = torch.rand(counts_BT.shape, generator=generator, device=counts_BT.device)
    place_B = chance_BT.masked_fill(~counts_BT, -1.0).argmax(dim=1)
    x_Bd = past_BTd[torch.arange(len(place_B), device=place_B.device), place_B]
    return x_Bd[counts_BT.any(dim=1)]


def _sampler(model: PolysceneModel, one: LoadedScenario, seed: int) -> tuple[Sampler, int]:
    """What draws windows, and how many: each shot once where there are a few."""
    task, events = model.main_task(one.scenario.name), one.events.to(model.device)
    if not task.reads_past:
        rows = RowSampler(events, seed)
        return rows, min(rows.n_rows, _ROWS)
    length = one.config.max_history if task.from_history else 1
    if events.labelled_R is not None:
        shots = ShotSampler(events, length)
        return shots, min(shots.n_rows, _ROWS)
    return WindowSampler(events, length), _ROWS
