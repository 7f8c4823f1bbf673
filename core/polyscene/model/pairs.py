"""Tasks that judge pairs of a user and an item: their vectors go through a bank of their own, all at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from polyscene.data.windows import Windows
from polyscene.model.mixed import adapt_together
from polyscene.tasks.task import Catalogue, PairTask

if TYPE_CHECKING:
    from polyscene.model.network import PolysceneModel


def pair_losses(
    model: PolysceneModel,
    states: Mapping[str, Tensor],
    batch: Mapping[str, Windows],
    catalogues: Mapping[str, Catalogue],
) -> dict[tuple[str, str], Tensor]:
    """Losses ``[B, T]`` by scenario and task of all whose pairs are adapted, through the bank in one call."""
    if model.pair_bank is None:
        return {}
    judged: dict[tuple[str, str], tuple[PairTask, Tensor, Tensor]] = {}
    for name, windows in batch.items():
        x_BTd = catalogues[name].take(windows.item_BT)
        for task_name, task in model.tasks_of(name).items():
            pair = task.pairs(states[name], x_BTd) if isinstance(task, PairTask) else None
            if isinstance(task, PairTask) and pair is not None:
                judged[name, task_name] = task, x_BTd, pair
    if not judged:
        return {}
    index = {key: model.index[key[0]] for key in judged}
    about = {key: states[key[0]] + x for key, (_, x, _) in judged.items()}
    adapted = adapt_together(model.pair_bank, {key: pair for key, (_, _, pair) in judged.items()}, index, about)
    return {
        key: task.pair_loss(
            task.logits(states[key[0]], x, batch[key[0]].item_BT, adapted[key]), batch[key[0]].value_BT
        )
        for key, (task, x, _) in judged.items()
    }
