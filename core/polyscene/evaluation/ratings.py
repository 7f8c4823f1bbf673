"""Predicted ratings against what users gave: RMSE and MAE on test rows."""

from __future__ import annotations

from typing import Any

import torch

from polyscene.evaluation.metrics import mae, rmse
from polyscene.evaluation.requests import POPULATIONS
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.tasks.rating import RatingTask


def evaluate_ratings(
    model: PolysceneModel, subject: Subject, max_history: int, method: str, seed: int
) -> list[dict[str, Any]]:
    """Result rows of the scenario's rating task on test ratings, beside the mean of training ratings."""
    task = next((task for task in model.tasks_of(subject.name).values() if isinstance(task, RatingTask)), None)
    if task is None:
        return []
    catalogue = model.catalogue(subject.name)
    warm, view = POPULATIONS[0], subject.scenario.views[0]
    predicted, given = [], []
    for requests in subject.requests(warm, view):
        h_Bd = model.user_states(subject.name, requests.windows(subject.events, max_history), catalogue)
        row_M, item_M = requests.targets.row_M, requests.targets.item_M
        predicted.append(task.predict(h_Bd[row_M], catalogue.take(item_M), item_M))
        given.append(values_of_targets(subject, requests.user_B, warm.phase))
    if not predicted:
        return []
    predicted_M, given_M = torch.cat(predicted), torch.cat(given)
    constant_M = task.mean.expand_as(given_M)
    return [
        {
            "protocol": subject.protocol,
            "scenario": subject.name,
            "view": "rating",
            "population": warm.name,
            "method": name,
            "metric": metric,
            "value": float(measure(values_M, given_M)),
            "users": len(given_M),
            "standard_error": None,
            "seed": seed,
        }
        for name, values_M in ((method, predicted_M), ("mean_rating", constant_M))
        for metric, measure in (("rmse", rmse), ("mae", mae))
    ]


def values_of_targets(subject: Subject, user_B: torch.Tensor, phase: int) -> torch.Tensor:
    """Values (ratings, clicks) of the users' rows in a phase, in the order in which requests list them."""
    return subject.events.value_R[rows_of_targets(subject, user_B, phase)]


def rows_of_targets(subject: Subject, user_B: torch.Tensor, phase: int) -> torch.Tensor:
    """The users' event rows in a phase, int64, in the order in which requests list them."""
    start_B, stop_B = subject.events.start_UP[user_B, phase], subject.events.start_UP[user_B, phase + 1]
    count_B = stop_B - start_B
    first_B = start_B - count_B.cumsum(0) + count_B
    row_M = torch.repeat_interleave(count_B)
    return torch.arange(len(row_M), device=row_M.device) + first_B[row_M]
