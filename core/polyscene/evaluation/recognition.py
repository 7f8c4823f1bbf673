"""What a router knows and what it costs to rely on it: recognition of scenarios, and rankings without labels."""

from __future__ import annotations

import math
from typing import Any

import torch

from polyscene.evaluation.clicks import evaluate_clicks
from polyscene.evaluation.evaluator import evaluate_method, model_scorer
from polyscene.evaluation.metrics import Summary, calibration_error, summarize
from polyscene.evaluation.requests import POPULATIONS, Population
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.routing import Route
from polyscene.tasks.task import PairTask

ROUTER, CHANCE = "router", "chance"
VIEW = "recognition"
# Cold items are asked for by the same users with the same past as warm ones.
_POPULATIONS = ("warm", "cold_user")
_ROUTES: tuple[Route, ...] = ("hard", "soft")


@torch.inference_mode()
def evaluate_recognition(
    model: PolysceneModel,
    subject: Subject,
    max_history: int,
    *,
    method: str,
    seed: int,
    population: str = "",
    route: str = "",
) -> list[dict[str, Any]]:
    """Result rows of a model's router in one scenario; none without a router, or where it never saw the scenario.

    Rankings of states adapted by the likeliest scenario or by the mixture stand as methods of their own
    (``joint_hard``, ``joint_soft``) beside the model's, so that the difference to the true label can be read.
    Accuracy and calibration (of the likeliest scenario's probability) are those of the router at the same
    requests, beside a guess among the scenarios that it knows.

    Args:
        model: the model, in eval mode.
        subject: the scenario's requests.
        max_history: rows of the past that the model reads.
        method: the model's own name in the rows.
        seed: the seed that the model was trained with.
        population: only this population; empty for all.
        route: only this way (hard, soft); empty for both.
    """
    if model.router is None or not bool(model.router.seen_K[model.index[subject.name]]):
        return []
    judges_pairs = isinstance(model.main_task(subject.name), PairTask)
    rows: list[dict[str, Any]] = []
    for one in _ROUTES:
        if route not in ("", one):
            continue
        name = f"{method}_{one}"
        if not judges_pairs:
            scorer = model_scorer(model, subject, max_history, one)
            rows += evaluate_method(subject, name, lambda _, scorer=scorer: scorer, seed, only=population)
        elif population in ("", "warm"):
            found = evaluate_clicks(model, subject, max_history, name, seed, route=one)
            rows += [row for row in found if row["method"] == name]
    for one in POPULATIONS:
        if one.name in _POPULATIONS and population in ("", one.name):
            rows += [
                {
                    "protocol": subject.protocol,
                    "scenario": subject.name,
                    "view": VIEW,
                    "population": one.name,
                    "method": name,
                    "metric": metric,
                    "value": summary.mean,
                    "users": summary.users,
                    "standard_error": None if math.isnan(summary.standard_error) else summary.standard_error,
                    "seed": seed,
                }
                for (name, metric), summary in _summaries(model, subject, max_history, one).items()
            ]
    return rows


def _summaries(
    model: PolysceneModel, subject: Subject, max_history: int, population: Population
) -> dict[tuple[str, str], Summary]:
    """Figures by method and metric; empty where the population has no requests."""
    catalogue, length = model.catalogue(subject.name), max_history if subject.from_history else 1
    parts = [
        model.recognize(subject.name, requests.windows(subject.events, length), catalogue)
        for requests in subject.requests(population, subject.scenario.views[0])
    ]
    if not parts or model.router is None:
        return {}
    confidence_B, found_B = torch.cat(parts).max(dim=-1)
    right_B = found_B == model.index[subject.name]
    users, known = len(right_B), int(model.router.seen_K.sum())
    return {
        (ROUTER, "accuracy"): summarize(right_B.double()),
        (ROUTER, "ece"): Summary(calibration_error(confidence_B, right_B), math.nan, users),
        (CHANCE, "accuracy"): Summary(1 / known, math.nan, users),
    }
