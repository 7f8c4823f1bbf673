"""Tasks that judge pairs of a user and an item: their vectors go through a bank of their own, all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polyscene.adapters.bank import Routing
from polyscene.data.windows import Windows
from polyscene.tasks.task import Catalogue, PairTask

if TYPE_CHECKING:
    from polyscene.model.network import PolysceneModel


@dataclass
class _Judged:
    """The pairs of all scenarios that share a task, scenario by scenario.

    Args:
        task: what judges them.
        keys: scenario and task name.
        counts: pairs of each.
        h_Nd: states.
        x_Nd: item vectors.
        pair_Nd: what is adapted.
    """

    task: PairTask
    keys: list[tuple[str, str]]
    counts: list[int]
    h_Nd: Tensor
    x_Nd: Tensor
    pair_Nd: Tensor


def pair_losses(
    model: PolysceneModel,
    states: Mapping[str, Tensor],
    batch: Mapping[str, Windows],
    catalogues: Mapping[str, Catalogue],
) -> dict[tuple[str, str], Tensor]:
    """Losses ``[B, T]`` by scenario and task of all whose pairs are adapted.

    They go through the bank in one call, and through a task that domains share in one call for all of them.
    """
    if model.pair_bank is None:
        return {}
    groups = _groups(model, states, batch, catalogues)
    if not groups:
        return {}
    places = [
        (model.index[name], count) for one in groups for (name, _), count in zip(one.keys, one.counts, strict=True)
    ]
    about_Nd = _joined([one.h_Nd + one.x_Nd for one in groups])
    routing = Routing.of_segments(places, about_Nd.device, about_Nd)
    adapted = model.pair_bank(_joined([one.pair_Nd for one in groups]), routing)
    losses = {}
    for one, pair_Nd in zip(groups, adapted.split([len(one.pair_Nd) for one in groups]), strict=True):
        windows = [batch[name] for name, _ in one.keys]
        item_N, value_N = (
            torch.cat([of.flatten() for of in parts])
            for parts in ([of.item_BT for of in windows], [of.value_BT for of in windows])
        )
        loss_N = one.task.pair_loss(one.task.logits(one.h_Nd, one.x_Nd, item_N, pair_Nd), value_N)
        for key, of, loss in zip(one.keys, windows, loss_N.split(one.counts), strict=True):
            losses[key] = loss.view_as(of.item_BT)
    return losses


def _groups(
    model: PolysceneModel,
    states: Mapping[str, Tensor],
    batch: Mapping[str, Windows],
    catalogues: Mapping[str, Catalogue],
) -> list[_Judged]:
    """What there is to judge, by task."""
    sharing: dict[PairTask, list[tuple[str, str]]] = {}
    for name in batch:
        for task_name, task in model.tasks_of(name).items():
            if isinstance(task, PairTask) and task.adapts_pairs:
                sharing.setdefault(task, []).append((name, task_name))
    groups = []
    for task, keys in sharing.items():
        h_Nd = _joined([states[name].flatten(0, -2) for name, _ in keys])
        x_Nd = _joined([catalogues[name].take(batch[name].item_BT).flatten(0, -2) for name, _ in keys])
        pair_Nd = task.pairs(h_Nd, x_Nd)
        if pair_Nd is not None:
            counts = [batch[name].item_BT.numel() for name, _ in keys]
            groups.append(_Judged(task, keys, counts, h_Nd, x_Nd, pair_Nd))
    return groups


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
