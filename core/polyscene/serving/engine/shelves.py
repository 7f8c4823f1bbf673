"""The shelves of a run: every scenario that recommends items to users, with a stranger in each."""

from __future__ import annotations

from collections.abc import Iterable

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
from polyscene.training.restore import RestoredRun
from polyscene.training.strategy import JOINT


def shelves_of(run: RestoredRun) -> tuple[PolysceneModel, dict[str, Shelf]]:
    """The run's joint model (its first one, where none is joint) and its scenarios by name.

    Not those of the task ``cross``, whose texts of a user and each item are written anew for every request.

    Raises:
        PolysceneError: there is no model, data have changed, or nothing is recommended to users.
    """
    label = next((label for label in run.labels() if label == JOINT), run.labels()[0])
    model = run.model(label)
    run.session.backbone.progress = False  # of a text now and then
    learned = {name: run.loaded.scenarios[name] for name in run.scenarios_of(label)}
    asked = {name: one for name, one in learned.items() if _recommends(run, model, name, one)}
    if not asked:
        raise ServingError(
            "no scenario of the run recommends items to users from stored vectors",
            where=str(run.folder),
            fix="train one that ranks or judges clicks, as video or music",
        )
    shelves = {}
    for group in _groups(learned, asked):
        blank = torch.zeros(NEAREST, dtype=torch.int64)
        for name, loaded in welcome(run.session, model, group, blank).items():
            if name in asked:
                subject = run.session.subject(name, group[name])
                own_item_U = subject.own_item_U
                shelves[name] = Shelf(
                    name,
                    loaded=loaded,
                    counted=subject.events,
                    own_item_U=None if own_item_U is None else functional.pad(own_item_U, (0, 1), value=-1),
                    session=run.session,
                    model=model,
                )
    return model, {name: shelves[name] for name in asked}


def _recommends(run: RestoredRun, model: PolysceneModel, name: str, loaded: LoadedScenario) -> bool:
    return run.session.subject(name, loaded).from_history and not isinstance(model.main_task(name), CrossTask)


def _groups(learned: dict[str, LoadedScenario], asked: Iterable[str]) -> list[dict[str, LoadedScenario]]:
    """The scenarios that are asked, each with the other domains of its scenario."""
    wanted = dict.fromkeys(scenario_of(name) for name in asked)
    return [{name: one for name, one in learned.items() if scenario_of(name) == whole} for whole in wanted]
