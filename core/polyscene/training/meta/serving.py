"""A trained learner at work: few labelled rows become fast parameters, and these become scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import torch
from torch import Tensor

from polyscene.data.windows import Windows
from polyscene.errors import CheckpointError, ConfigError
from polyscene.training.checkpoint import SERVED, unique_state
from polyscene.training.files import read_tensors
from polyscene.training.meta.config import MetaConfig
from polyscene.training.meta.episodes import Episodes
from polyscene.training.meta.inner import FastParameters
from polyscene.training.meta.learner import Learner
from polyscene.training.meta.tasks import SceneTasks
from polyscene.training.objective import ObjectiveContext


def adapt_fast(learner: Learner, name: str, windows: Windows, count: int = 1) -> FastParameters:
    """Adapt to few labelled rows: what each of E tasks has learned, as fast parameters ``[E, ...]``.

    Nothing of the model changes. Tasks may be users, known by one window each, or scenarios, known by several.

    Args:
        learner: of the model, see :func:`restore_learner`.
        name: the scenario.
        windows: ``E * W`` windows, those of a task being neighbors. Rows that ``labelled_BT`` marks are learned
            from (all valid ones, where it is None); the others are context.
        count: number of tasks E.
    """
    with torch.inference_mode(False):
        rows = _ordinary(windows)
        labelled_BT = rows.valid_BT if rows.labelled_BT is None else rows.labelled_BT
        return learner.algorithm.adapt(_tasks(learner, name, rows, labelled_BT, count))


def fast_scores(learner: Learner, name: str, fast: FastParameters, windows: Windows, view: str = "") -> Tensor:
    """Scores ``[E, N]`` of all items for E adapted users, after one window each.

    Args:
        learner: of the model.
        name: the scenario.
        fast: what :func:`adapt_fast` gave.
        windows: ``E`` windows, which need not be those that were adapted to.
        view: the scenario's view, by which its task scores.
    """
    count = len(windows.user_B)
    with torch.no_grad():
        return _tasks(learner, name, windows, windows.valid_BT, count).scores(fast, view).squeeze(1)


@contextmanager
def installed(learner: Learner, name: str, fast: FastParameters) -> Iterator[None]:
    """Within the block the model has the fast parameters of one task in place of its own, for any evaluation.

    Args:
        learner: of the model.
        name: the scenario.
        fast: of one task, ``[1, ...]``.

    Raises:
        ConfigError: the algorithm adapts something that is no parameter of the model (cavia, protonet).
    """
    groups = learner.scenes[name].fast
    foreign = sorted(set(fast) - set(groups.names))
    if foreign:
        raise ConfigError(
            f"{learner.config.algorithm} adapts '{foreign[0]}', which is no parameter of the model",
            where=f"scenario '{name}'",
            fix="ask for fast_scores, or train with another algorithm",
        )
    with torch.no_grad():
        places = groups.start()
        kept = {key: place.clone() for key, place in places.items()}
        try:
            for key, value in fast.items():
                places[key].copy_(value[0])
            yield
        finally:
            for key, value in kept.items():
                places[key].copy_(value)


def restore_learner(folder: Path, context: ObjectiveContext, config: MetaConfig) -> Learner:
    """The learner of a trained model, also for scenarios that came later.

    Learned rates of parameters that the model shares are taken from the checkpoint; those of a scenario that
    training did not know begin at ``inner_lr``.

    Args:
        folder: the checkpoint's folder, as in ``RUN/checkpoints/joint``.
        context: the run's config, the model, and the scenarios to adapt.
        config: the strategy's options of the run.

    Raises:
        CheckpointError: what was saved belongs to another model.
    """
    learner = Learner(context, config)
    own = unique_state(learner)
    saved = read_tensors(folder / SERVED) if own else {}
    known = own.keys() & saved.keys()
    if own and (not known or any(own[key].shape != saved[key].shape for key in known)):
        raise CheckpointError(
            "the learned inner rates belong to another model",
            where=str(folder / SERVED),
            fix="use the config and the data that the run was trained with",
        )
    with torch.no_grad():
        for key in known:
            own[key].copy_(saved[key])
    return learner.to(context.model.device)


def _tasks(learner: Learner, name: str, windows: Windows, support_BT: Tensor, count: int) -> SceneTasks:
    # Negatives at evenly spaced places, the same every time.
    middle = torch.tensor(0.5, device=support_BT.device)
    with torch.no_grad():
        return SceneTasks(
            learner.scenes[name], Episodes(windows, support_BT, torch.zeros_like(support_BT), count), middle
        )


def _ordinary(windows: Windows) -> Windows:
    """Windows that gradients may be taken of, wherever they were made."""
    tensors = {f.name: value for f in fields(windows) if isinstance(value := getattr(windows, f.name), Tensor)}
    columns = {key: value.clone() for key, value in windows.columns.items()}
    return replace(windows, **{key: value.clone() for key, value in tensors.items()}, columns=columns)
