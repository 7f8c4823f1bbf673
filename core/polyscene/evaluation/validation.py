"""What training is steered by: one score of each scenario on its validation rows."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from polyscene.evaluation.clicks import validation_auc
from polyscene.evaluation.evaluator import TOP, model_scorer, validation_score
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.tasks.task import PairTask


@torch.inference_mode()
def steering_scores(
    model: PolysceneModel, subjects: Mapping[str, Subject], lengths: Mapping[str, int], limit: int = 0
) -> dict[str, tuple[str, float]]:
    """The metric and its value by scenario, of the network alone; none where there are no validation rows.

    Priors do not learn, so what they know cannot tell when to stop.

    Args:
        model: the model, in eval mode.
        subjects: the scenarios' requests.
        lengths: rows of the past that the model reads, by scenario.
        limit: at most so many users of a scenario that ranks; 0 takes all.
    """
    scorers = {
        name: model_scorer(model, subject, lengths[name], priors=False)
        for name, subject in subjects.items()
        if not isinstance(model.main_task(name), PairTask)
    }
    ranked = validation_score(subjects, scorers, limit)
    judged = validation_auc(model, subjects, lengths)
    return {name: (f"ndcg@{TOP}", value) for name, value in ranked.items()} | {
        name: ("auc", value) for name, value in judged.items()
    }
