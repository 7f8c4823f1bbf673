"""The shelves of a run: every scenario that recommends items to users, with a stranger in each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch.nn import functional

from polyscene.data.domains import scenario_of
from polyscene.errors import ServingError
from polyscene.evaluation.said import NEAREST
from polyscene.model import PolysceneModel
from polyscene.serving.engine.shelf import Shelf
from polyscene.tasks.cross import CrossTask
from polyscene.training.arrivals import welcome
from polyscene.training.loading import LoadedScenario
from polyscene.training.session import Session


def shelves_of(session: Session, model: PolysceneModel, learned: Mapping[str, LoadedScenario]) -> dict[str, Shelf]:
    """The scenarios of a model that recommend items to users, by name.

    Not those of the task ``cross``, whose texts of a user and each item are written anew for every request.

    Args:
        session: config, plugins and backbone.
        model: in eval mode; a stranger comes into each of its scenarios.
        learned: the data of all its scenarios.

    Raises:
        ServingError: nothing is recommended to users.
    """
    asked = [name for name, one in learned.items() if _recommends(session, model, name, one)]
    if not asked:
        raise ServingError(
            "no scenario of the model recommends items to users from stored vectors",
            where=", ".join(learned),
            fix="train one that ranks or judges clicks, as video or music",
        )
    session.backbone.progress = False  # of a text now and then
    shelves = {}
    for group in _groups(learned, asked):
        blank = torch.zeros(NEAREST, dtype=torch.int64)
        for name, loaded in welcome(session, model, group, blank).items():
            if name in asked:
                subject = session.subject(name, group[name])
                own_item_U = subject.own_item_U
                shelves[name] = Shelf(
                    name,
                    loaded=loaded,
                    counted=subject.events,
                    own_item_U=None if own_item_U is None else functional.pad(own_item_U, (0, 1), value=-1),
                    session=session,
                    model=model,
                )
    return {name: shelves[name] for name in asked}


def _recommends(session: Session, model: PolysceneModel, name: str, loaded: LoadedScenario) -> bool:
    return session.subject(name, loaded).from_history and not isinstance(model.main_task(name), CrossTask)


def _groups(learned: Mapping[str, LoadedScenario], asked: Iterable[str]) -> list[dict[str, LoadedScenario]]:
    """The scenarios that are asked, each with the other domains of its scenario."""
    wanted = dict.fromkeys(scenario_of(name) for name in asked)
    return [{name: one for name, one in learned.items() if scenario_of(name) == whole} for whole in wanted]
