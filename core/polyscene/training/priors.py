"""Priors of a scenario, built on its rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from polyscene.config.choice import chosen
from polyscene.data.columns import Text
from polyscene.priors.mixture import PriorMixture
from polyscene.priors.prior import PriorData
from polyscene.tasks.task import PairTask, Task
from polyscene.training.loading import LoadedScenario
from polyscene.training.session import Session


def build_priors(session: Session, name: str, loaded: LoadedScenario, task: Task) -> PriorMixture | None:
    """The priors that a scenario declares; None where it has none, or its task ranks nothing.

    Raises:
        DataError: the data cannot support one of them.
    """
    specs = loaded.scenario.priors
    if not specs or not session.config.model.priors or isinstance(task, PairTask) or task.reads_together:
        return None
    data = prior_data(session, name, loaded)
    priors: dict[str, Any] = {}
    for spec in specs:
        where = f"scenario.{name}.priors"
        choice = chosen("prior", {**spec.options, "name": spec.name}, session.host, where=where)
        # Those that a plugin declares for another task than the chosen one have nothing to say of this one.
        if getattr(choice.component.build, "of_facts", False) != task.from_history:
            priors[spec.name] = choice.build(data=data)
    if not priors:
        return None
    views = [view.name for view in loaded.scenario.views]
    mixture = PriorMixture(
        priors,
        data.events,
        views,
        of_facts=not task.from_history,
        # What facts lead to has a place in the graph; its name says little.
        lenders=session.config.model.lenders if task.from_history else 0,
        item_vectors=data.item_vectors,
    )
    return mixture.to(session.device)


def prior_data(session: Session, name: str, loaded: LoadedScenario) -> PriorData:
    """What priors of a scenario may read."""

    def item_vectors() -> Tensor | None:
        for column in loaded.scenario.item_columns:
            if isinstance(column, Text) and column.name not in loaded.gated:
                texts = loaded.tables.items[column.name].fillna("").astype(str).tolist()
                return torch.as_tensor(session.backbone.embed(texts)).float().to(session.device)
        return None

    subject = session.subject(name, loaded)
    return PriorData(f"scenario.{name}", subject.events, loaded.tables, subject.own_item_U, item_vectors)
