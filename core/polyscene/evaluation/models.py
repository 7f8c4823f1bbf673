"""Result rows of a trained model in one scenario: rankings and ratings."""

from __future__ import annotations

from typing import Any

import torch

from polyscene.data.phases import BEFORE_TEST
from polyscene.evaluation.evaluator import Subject, evaluate_method, model_scorer
from polyscene.evaluation.ratings import evaluate_ratings
from polyscene.model import PolysceneModel


@torch.inference_mode()
def evaluate_model(
    model: PolysceneModel, subject: Subject, max_history: int, *, method: str, seed: int, population: str = ""
) -> list[dict[str, Any]]:
    """Result rows of a model in one scenario, with popularity counted on all rows known before the test.

    Args:
        model: the model, in eval mode.
        subject: the scenario's requests.
        max_history: rows of the past that the model reads.
        method: the method's name in the rows.
        seed: the seed that the model was trained with.
        population: only this population; empty for all.
    """
    model.observe(subject.name, subject.events, BEFORE_TEST)
    scorer = model_scorer(model, subject, max_history)
    rows = evaluate_method(subject, method, lambda _: scorer, seed, only=population)
    if population in ("", "warm"):
        rows += evaluate_ratings(model, subject, max_history, method, seed)
    return rows
