"""One model tested on every scenario that it holds, whether it learned it or not."""

from __future__ import annotations

import torch

from polyscene.evaluation.evaluator import model_scorer, validation_score
from polyscene.evaluation.models import evaluate_model
from polyscene.evaluation.transfer.results import Found
from polyscene.model import PolysceneModel
from polyscene.training.prepare import Prepared


def evaluate_everywhere(model: PolysceneModel, prepared: Prepared, label: str, seed: int, seconds: float) -> Found:
    """The results of a model in all scenarios that it holds, learned or not."""
    model.eval()
    lengths = {name: one.config.max_history for name, one in prepared.loaded.scenarios.items()}
    with torch.inference_mode():
        scorers = {
            name: model_scorer(model, subject, lengths[name]) for name, subject in prepared.subjects.items()
        }
        validation = validation_score(prepared.subjects, scorers, limit=0)
    rows = [
        row
        for name, subject in prepared.subjects.items()
        for row in evaluate_model(model, subject, lengths[name], method=label, seed=seed)
        if row["method"] == label  # a control of ratings comes with them and is the same for every model
    ]
    return Found(label, seed, rows, validation, seconds)
