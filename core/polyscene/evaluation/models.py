"""Result rows of a trained model in one scenario: rankings, ratings and clicks, and what its router knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from polyscene.config.controls import PARTS
from polyscene.data.domains import scenario_of
from polyscene.data.phases import BEFORE_TEST
from polyscene.evaluation.clicks import evaluate_clicks, evaluate_clicks_of_all_domains
from polyscene.evaluation.evaluator import evaluate_method, model_scorer
from polyscene.evaluation.measured import Keep, keep_nothing
from polyscene.evaluation.ratings import evaluate_ratings
from polyscene.evaluation.recognition import evaluate_recognition
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.routing import LABEL
from polyscene.tasks.task import PairTask


def parts_of(model: PolysceneModel, name: str, controls: Iterable[str]) -> list[str]:
    """The controls that are parts of what a model says in a scenario; none where nothing is counted."""
    return [control for control in controls if control in PARTS and model.mixture(name) is not None]


@torch.inference_mode()
def evaluate_model(
    model: PolysceneModel,
    subject: Subject,
    max_history: int,
    *,
    method: str,
    seed: int,
    population: str = "",
    route: str = "",
    part: str = "",
    keep: Keep = keep_nothing,
) -> list[dict[str, Any]]:
    """Result rows of a model in one scenario, with popularity counted on all rows known before the test.

    Args:
        model: the model, in eval mode.
        subject: the scenario's requests.
        max_history: rows of the past that the model reads.
        method: the method's name in the rows.
        seed: the seed that the model was trained with.
        population: only this population; empty for all.
        route: only with states adapted in this way (label, hard, soft); empty for all that the model can.
        part: only a part of its scores, see :class:`polyscene.priors.mixture.PriorMixture`; empty for all.
        keep: receives the rankings, where the scenario was given.
    """
    model.observe(subject.name, subject.events, BEFORE_TEST)
    mixture = model.mixture(subject.name)
    if part and mixture is not None:
        scorer = model_scorer(model, subject, max_history)
        with mixture.scoring(part):  # of ratings priors say nothing
            return evaluate_method(subject, method, lambda _: scorer, seed, only=population, keep=keep)
    rows: list[dict[str, Any]] = []
    if route in ("", LABEL):
        rows += _with_labels(
            model, subject, max_history, method=method, seed=seed, population=population, keep=keep
        )
    if route != LABEL:
        rows += evaluate_recognition(
            model, subject, max_history, method=method, seed=seed, population=population, route=route
        )
    return rows


def _with_labels(
    model: PolysceneModel,
    subject: Subject,
    max_history: int,
    *,
    method: str,
    seed: int,
    population: str,
    keep: Keep,
) -> list[dict[str, Any]]:
    if isinstance(model.main_task(subject.name), PairTask):
        wanted = population in ("", "warm")
        return evaluate_clicks(model, subject, max_history, method, seed, keep=keep) if wanted else []
    scorer = model_scorer(model, subject, max_history)
    rows = evaluate_method(subject, method, lambda _: scorer, seed, only=population, keep=keep)
    if population in ("", "warm"):
        rows += evaluate_ratings(model, subject, max_history, method, seed)
    return rows


@torch.inference_mode()
def evaluate_domains(
    model: PolysceneModel, subjects: Mapping[str, Subject], lengths: Mapping[str, int], *, method: str, seed: int
) -> list[dict[str, Any]]:
    """Result rows over all domains of a scenario together, for scenarios that are judged row by row.

    Args:
        model: the model, in eval mode.
        subjects: the scenarios' requests, domains by their own names.
        lengths: rows of the past that the model reads.
        method: the method's name in the rows.
        seed: the seed that the model was trained with.
    """
    return evaluate_clicks_of_all_domains(model, subjects, lengths, method, seed)


def in_order(rows: Iterable[dict[str, Any]], scenarios: Iterable[str]) -> list[dict[str, Any]]:
    """Result rows by scenario; those over all domains of a scenario come after the last of them."""
    place: dict[str, int] = {}
    for number, name in enumerate(scenarios):
        place[scenario_of(name)] = place[name] = number
    return sorted(rows, key=lambda row: place[row["scenario"]])
