"""A finished run as something that answers requests in process."""

from __future__ import annotations

from polyscene.evaluation.subject import Subject
from polyscene.retrieval import RetrievalConfig, Retriever, Served
from polyscene.tasks.cross import CrossTask
from polyscene.training.restore import RestoredRun
from polyscene.training.strategy import JOINT


def served(subject: Subject, max_history: int) -> Served:
    """A scenario as it is served: its first view, and everything that is known."""
    return Served(subject.events, max_history, subject.scenario.views[0], subject.own_item_U)


def retriever_of(run: RestoredRun, config: RetrievalConfig | None = None) -> Retriever:
    """The run's joint model (its first one, where none is joint) with the scenarios that recommend items to users.

    Not those of the task ``cross``, whose texts of a user and each item are written anew for every request.

    Args:
        run: see :func:`polyscene.training.restore.restore`.
        config: how catalogues are searched.

    Raises:
        PolysceneError: there is no model, data have changed, or a package for the config is not installed.
    """
    label = next((label for label in run.labels() if label == JOINT), run.labels()[0])
    scenarios = {name: run.loaded.scenarios[name] for name in run.scenarios_of(label)}
    subjects = {name: run.session.subject(name, one) for name, one in scenarios.items()}
    model = run.model(label)
    asked = {
        name: subject
        for name, subject in subjects.items()
        if subject.from_history and not isinstance(model.main_task(name), CrossTask)
    }
    return Retriever(
        model,
        {name: served(subject, scenarios[name].config.max_history) for name, subject in asked.items()},
        config,
    )
