"""Scores of a whole catalogue: what the network says, and with it what priors say."""

from __future__ import annotations

import torch
from torch import Tensor

from polyscene.adapters.bank import Routing
from polyscene.data.windows import Windows
from polyscene.model import PolysceneModel
from polyscene.model.catalogue import ModelCatalogue
from polyscene.priors.mixture import NO_PRIORS
from polyscene.tasks.cross import CrossTask
from polyscene.tasks.products import ProductTask
from polyscene.tasks.task import PairTask


def by_products(model: PolysceneModel, name: str) -> ProductTask | None:
    """The task of a scenario whose network scores items by inner products alone; None where it does more."""
    task = model.main_task(name)
    adapted = isinstance(task, PairTask) and task.adapts_pairs
    return task if isinstance(task, ProductTask) and not adapted else None


def reads_vectors(model: PolysceneModel, name: str) -> bool:
    """Whether the vectors of all items are needed to answer requests of a scenario."""
    task = model.main_task(name)
    return not (task.reads_together or isinstance(task, CrossTask))


def network_scores(
    model: PolysceneModel,
    name: str,
    windows: Windows,
    h_Bd: Tensor,
    catalogue: ModelCatalogue,
    *,
    view: str,
    routing: Routing | None = None,
) -> Tensor:
    """What the network says of all items, ``[B, N]``.

    Args:
        model: in eval mode.
        name: the scenario.
        windows: what is asked.
        h_Bd: adapted states after it; of the task ``cross`` one for each item, for a single user.
        catalogue: the scenario's items.
        view: the view's name.
        routing: by which adapters states were adapted, where not by their label's.
    """
    task, items_N = model.main_task(name), torch.arange(catalogue.n_items, device=model.device)
    if task.reads_together:
        return task.joint_scores(windows, items_N)
    if isinstance(task, CrossTask):
        return task.logits(h_Bd, h_Bd, items_N).unsqueeze(0)
    return model.scores(name, h_Bd, catalogue.all(), items_N, view, routing=routing)


def with_priors(model: PolysceneModel, name: str, network_BN: Tensor, past: Windows | None, view: str) -> Tensor:
    """Scores ``[B, N]`` of the network and the scenario's priors, where it has any."""
    mixture = model.mixture(name)
    if mixture is None or past is None or mixture.part == NO_PRIORS:
        return network_BN
    return mixture(network_BN, mixture.prior_scores(past, network_BN.shape[1]), mixture.gates(view, past))
