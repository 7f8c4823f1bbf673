"""One model tested on every scenario that it holds, whether it learned it or not."""

from __future__ import annotations

from polyscene.evaluation.models import evaluate_model
from polyscene.evaluation.transfer.results import Found
from polyscene.evaluation.validation import steering_scores
from polyscene.model import PolysceneModel
from polyscene.training.prepare import Prepared


def evaluate_everywhere(model: PolysceneModel, prepared: Prepared, label: str, seed: int, seconds: float) -> Found:
    """The results of a model in all scenarios that it holds, learned or not."""
    model.eval()
    lengths = {name: one.config.max_history for name, one in prepared.loaded.scenarios.items()}
    # Before popularity is counted on validation rows as well.
    steering = steering_scores(model, prepared.subjects, lengths)
    validation = {name: value for name, (_, value) in steering.items()}
    rows = [
        row
        for name, subject in prepared.subjects.items()
        for row in evaluate_model(model, subject, lengths[name], method=label, seed=seed)
        if row["method"] == label  # a control of ratings comes with them and is the same for every model
    ]
    return Found(label, seed, rows, validation, seconds)
