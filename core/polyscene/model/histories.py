"""What is known of users before anything is adapted: states of their histories, or their own vectors alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from polyscene.data.windows import Windows
from polyscene.model.catalogue import ModelCatalogue
from polyscene.model.mixed import adapt_together, encode_together
from polyscene.tasks.task import Catalogue, PairTask

if TYPE_CHECKING:
    from polyscene.model.network import PolysceneModel


def histories(
    model: PolysceneModel, batch: Mapping[str, Windows], catalogues: Mapping[str, Catalogue]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """States ``[B, T + 1, d]`` of histories, through the sequence model in one call for all scenarios.

    With them the users' own vectors ``[B, d]``, of the scenarios that know anything about users.
    """
    if not batch:
        return {}, {}
    read, own = _read(model, batch, catalogues)
    return _by_scenario(model.sequence(*read), batch), own


def last_states(
    model: PolysceneModel, batch: Mapping[str, Windows], catalogues: Mapping[str, Catalogue], *, known: bool = True
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """As :func:`histories` in eval mode, of the states after all of each history alone: ``[B, d]``.

    Where users are not ``known``, they start from nothing.
    """
    read, own = _read(model, batch, catalogues, known=known)
    length_B = torch.cat([windows.length_B for windows in batch.values()])
    return _by_scenario(model.sequence.last(*read, length_B), batch), own


def states_after(
    model: PolysceneModel, batch: Mapping[str, Windows], catalogues: Mapping[str, Catalogue]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """States ``[B, d]`` of all scenarios after the whole windows, and the users' own vectors, before adapters."""
    tasks = {name: model.main_task(name) for name in batch}
    past = {name: one for name, one in batch.items() if tasks[name].from_history and tasks[name].reads_past}
    states, own = last_states(model, past, catalogues) if past else ({}, {})
    timeless = {name: one for name, one in batch.items() if tasks[name].from_history and name not in past}
    own |= encode_together(model.users, {name: windows.user_B for name, windows in timeless.items()})
    for name, windows in batch.items():
        if name in timeless:
            states[name] = with_recalled(model, name, own[name], windows.user_B, None)
        elif name not in past:
            states[name] = tasks[name].query(windows, catalogues[name])[:, 0]
    return {name: states[name] for name in batch}, own


def _read(
    model: PolysceneModel, batch: Mapping[str, Windows], catalogues: Mapping[str, Catalogue], *, known: bool = True
) -> tuple[tuple[Tensor, Tensor, Tensor], dict[str, Tensor]]:
    """What the sequence model reads, of all scenarios together, and the users' own vectors."""
    steps, starts, ordered = [], {}, []
    length = max(windows.item_BT.shape[1] for windows in batch.values())
    for name, windows in batch.items():
        x_BTd = catalogues[name].take(windows.item_BT)
        if name in model.events:
            x_BTd = x_BTd + model.events[name](windows.row_BT)
        missing = length - x_BTd.shape[1]
        steps.append(nn.functional.pad(x_BTd, (0, 0, 0, missing)) if missing else x_BTd)
        knows = name in model.users and known
        starts[name] = model.users[name](windows.user_B) if knows else torch.zeros_like(x_BTd[:, 0])
        ordered.append(torch.full_like(windows.user_B, windows.ordered, dtype=torch.bool))
    own = {name: start_Bd for name, start_Bd in starts.items() if name in model.users and known}
    return (torch.cat(steps), torch.cat(list(starts.values())), torch.cat(ordered)), own


def _by_scenario(h_B: Tensor, batch: Mapping[str, Windows]) -> dict[str, Tensor]:
    return dict(zip(batch, h_B.split([len(windows.user_B) for windows in batch.values()]), strict=True))


def timeless_users(
    model: PolysceneModel, batch: Mapping[str, Windows], catalogues: Mapping[str, ModelCatalogue]
) -> dict[str, Tensor]:
    """The own vectors ``[B, d]`` of users whose past is not read; what they meet is encoded on the way."""
    touched = [name for name in batch if not any(task.compares_all for task in model.tasks_of(name).values())]
    if touched:
        plain = encode_together(model.items, {name: batch[name].item_BT for name in touched})
        for name, x_BTd in adapt_together(model.item_bank, plain, model.index).items():
            catalogues[name].keep(batch[name].item_BT, x_BTd, plain[name])
    return encode_together(model.users, {name: windows.user_B for name, windows in batch.items()})


def with_recalled(
    model: PolysceneModel, name: str, own_Bd: Tensor, user_B: Tensor, item_B: Tensor | None
) -> Tensor:
    """The users' own vectors with what the scenario's first task knows of them."""
    task = model.main_task(name)
    recalled_Bd = task.recall(user_B, item_B) if isinstance(task, PairTask) else None
    return own_Bd if recalled_Bd is None else own_Bd + recalled_Bd
