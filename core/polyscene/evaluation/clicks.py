"""Clicks: how well pairs of users and shown items are judged, row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from polyscene.data.domains import scenario_of
from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.evaluation.evaluator import Subject
from polyscene.evaluation.metrics import auc, calibration_error, grouped_auc, log_loss
from polyscene.evaluation.ratings import values_of_targets
from polyscene.evaluation.requests import POPULATIONS, VALIDATION, Population
from polyscene.model import PolysceneModel
from polyscene.routing import LABEL, Route, taken
from polyscene.tasks.task import PairTask

VIEW = "click"
CONTROL = "item_rate"
_EVERYTHING = View(mask_history=False)


@dataclass(frozen=True)
class Judged:
    """M rows of one or several scenarios, judged.

    Args:
        logit_M: log odds of a positive.
        label_M: bool, what happened.
        user_M: int64 user.
        rate_M: share of positives among the item's training rows, smoothed: what knows items only.
    """

    logit_M: Tensor
    label_M: Tensor
    user_M: Tensor
    rate_M: Tensor

    @classmethod
    def join(cls, parts: list[Judged]) -> Judged:
        """All rows as one."""
        return cls(*(torch.cat([getattr(one, name) for one in parts]) for name in cls.__dataclass_fields__))


def judge(
    model: PolysceneModel,
    subject: Subject,
    max_history: int,
    population: Population,
    limit: int = 0,
    *,
    route: Route = LABEL,
) -> Judged | None:
    """A population's rows as the scenario's first task judges them; None where it has none, or ranks instead."""
    task = model.main_task(subject.name)
    if not isinstance(task, PairTask):
        return None
    catalogue, rate_N = model.catalogue(subject.name), _positive_rate(subject, task)
    parts = []
    for requests in subject.requests(population, _EVERYTHING, limit):
        windows = requests.windows(subject.events, max_history)
        routing = model.routing(subject.name, windows, catalogue, route)
        h_Bd = model.user_states(subject.name, windows, catalogue, routing)
        row_M, item_M = requests.targets.row_M, requests.targets.item_M
        routing = routing and taken(routing, row_M)
        x_Md = catalogue.take(item_M)
        logit_M = model.pair_logits(subject.name, task, h_Bd[row_M], x_Md, item_M, routing=routing)
        label_M = task.labels(values_of_targets(subject, requests.user_B, population.phase))
        parts.append(Judged(logit_M, label_M, requests.user_B[row_M], rate_N[item_M]))
    return Judged.join(parts) if parts else None


def evaluate_clicks(
    model: PolysceneModel, subject: Subject, max_history: int, method: str, seed: int, *, route: Route = LABEL
) -> list[dict[str, Any]]:
    """Result rows of a scenario that judges pairs, beside those of a method that knows the items' mean rates."""
    judged = judge(model, subject, max_history, POPULATIONS[0], route=route)
    return _rows(subject.name, subject.protocol, [judged], method, seed) if judged else []


def evaluate_clicks_of_all_domains(
    model: PolysceneModel, subjects: Mapping[str, Subject], lengths: Mapping[str, int], method: str, seed: int
) -> list[dict[str, Any]]:
    """Result rows over the rows of all domains of a scenario, which are named after the scenario.

    Their AUC compares positives of one domain with negatives of another, so it also asks whether the domains are
    calibrated to each other.

    Args:
        model: the model, in eval mode.
        subjects: the scenarios' requests.
        lengths: rows of the past that the model reads, by scenario.
        method: the method's name in the rows.
        seed: the seed that the model was trained with.
    """
    domains: dict[str, list[Judged]] = {}
    protocols: dict[str, str] = {}
    for name, subject in subjects.items():
        scenario = scenario_of(name)
        judged = judge(model, subject, lengths[name], POPULATIONS[0]) if scenario != name else None
        if judged is not None:
            domains.setdefault(scenario, []).append(judged)
            protocols[scenario] = subject.protocol
    rows = []
    for scenario, parts in domains.items():
        if len(parts) > 1:
            rows += _rows(scenario, protocols[scenario], parts, method, seed)
    return rows


def validation_auc(
    model: PolysceneModel, subjects: Mapping[str, Subject], lengths: Mapping[str, int], limit: int = 0
) -> dict[str, float]:
    """AUC on the validation rows of each scenario that judges pairs: what its training is steered by."""
    scores = {}
    for name, subject in subjects.items():
        judged = judge(model, subject, lengths[name], VALIDATION, limit)
        value = math.nan if judged is None else auc(judged.logit_M, judged.label_M)
        if not math.isnan(value):
            scores[name] = value
    return scores


def _rows(name: str, protocol: str, parts: list[Judged], method: str, seed: int) -> list[dict[str, Any]]:
    users = int(torch.cat([part.user_M for part in parts]).unique().numel())
    return [
        {
            "protocol": protocol,
            "scenario": name,
            "view": VIEW,
            "population": POPULATIONS[0].name,
            "method": by,
            "metric": metric,
            "value": value,
            "users": users,
            "standard_error": None,
            "seed": seed,
        }
        for by, figures in click_figures(Judged.join(parts), method).items()
        for metric, value in figures.items()
        if not math.isnan(value)
    ]


def click_figures(judged: Judged, method: str) -> dict[str, dict[str, float]]:
    """AUC, GAUC, log loss and calibration error of a model's judgment, beside those of the items' mean rates."""
    found = {}
    for by, probability_M in ((method, judged.logit_M.sigmoid()), (CONTROL, judged.rate_M)):
        # AUC from log odds: probabilities near 0 and 1 would tie.
        score_M = judged.logit_M if by == method else probability_M
        found[by] = {
            "auc": auc(score_M, judged.label_M),
            "gauc": grouped_auc(score_M, judged.label_M, judged.user_M),
            "log_loss": log_loss(probability_M, judged.label_M),
            "ece": calibration_error(probability_M, judged.label_M),
        }
    return found


def _positive_rate(subject: Subject, task: PairTask) -> Tensor:
    """Share ``[N]`` of positives in each item's training rows, drawn to that of all rows by ten of them."""
    events = subject.events
    row_M = torch.from_numpy(events.rows([Phase.TRAIN])[1]).to(events.item_R.device)
    label_M, item_M = task.labels(events.value_R[row_M]).double(), events.item_R[row_M].long()
    positive_N = torch.zeros(events.n_items, dtype=torch.float64, device=item_M.device)
    positive_N.index_add_(0, item_M, label_M)
    count_N = torch.bincount(item_M, minlength=events.n_items)
    return ((positive_N + 10 * label_M.mean()) / (count_N + 10)).float()
