"""Clicks: how well pairs of users and shown items are judged, row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from polyscene.data.domains import scenario_of
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.data.windows import Windows, windows_of_rows
from polyscene.evaluation.measured import Keep, Measured, keep_nothing
from polyscene.evaluation.metrics import (
    auc,
    calibration_error,
    decision_figures,
    grouped_auc,
    log_loss,
    users_with_both,
)
from polyscene.evaluation.ranking import Ranking
from polyscene.evaluation.ratings import rows_of_targets
from polyscene.evaluation.requests import POPULATIONS, VALIDATION, Population
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.routing import LABEL, Route, taken
from polyscene.tasks.task import PairTask

VIEW, TOP = "click", 10
ITEM_RATE, HISTORY_SHARE = "item_rate", "history_share"
_EVERYTHING = View(mask_history=False)


@dataclass(frozen=True)
class Judged:
    """M rows of one or several scenarios, judged.

    Args:
        logit_M: log odds of a positive.
        label_M: bool, what happened.
        user_M: int64 user, rows of a user side by side.
        item_M: int64 item.
        taken_M: bool, which are taken for positives, by the cutoff of the task.
        rate_M: share of positives among the item's training rows, smoothed: what knows items only.
        share_M: share of positives in the user's past that the model sees, smoothed: what knows users only.
    """

    logit_M: Tensor
    label_M: Tensor
    user_M: Tensor
    item_M: Tensor
    taken_M: Tensor
    rate_M: Tensor
    share_M: Tensor

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
    catalogue, events = model.catalogue(subject.name), subject.events
    rate, rate_N = _positive_rates(events, task)
    parts = []
    for requests in subject.requests(population, _EVERYTHING, limit):
        past, asked_M = requests.windows(events, max_history), requests.targets
        target_M = rows_of_targets(subject, requests.user_B, population.phase)
        # A task that makes its own query reads the row itself, which tells it nothing that is not known before.
        windows = past if task.from_history else _alone(events, requests.user_B[asked_M.row_M], target_M)
        routing = model.routing(subject.name, windows, catalogue, route)
        h_Bd = model.user_states(subject.name, windows, catalogue, routing)
        if task.from_history:
            h_Bd, routing = h_Bd[asked_M.row_M], routing and taken(routing, asked_M.row_M)
        x_Md = catalogue.take(asked_M.item_M) if task.from_history else h_Bd
        logit_M = model.pair_logits(subject.name, task, h_Bd, x_Md, asked_M.item_M, routing=routing)
        liked_BT = task.labels(past.value_BT) & past.valid_BT
        share_B = (liked_BT.sum(dim=1) + rate) / (past.length_B + 1)
        parts.append(
            Judged(
                logit_M,
                task.labels(events.value_R[target_M]),
                requests.user_B[asked_M.row_M],
                asked_M.item_M,
                task.decides(logit_M),
                rate_N[asked_M.item_M],
                share_B[asked_M.row_M],
            )
        )
    return Judged.join(parts) if parts else None


def _alone(events: Events, user_M: Tensor, row_M: Tensor) -> Windows:
    """Windows ``[M, 1]`` of single rows."""
    return windows_of_rows(events, user_M, row_M.unsqueeze(1), torch.ones_like(row_M, dtype=torch.bool)[:, None])


def evaluate_clicks(
    model: PolysceneModel,
    subject: Subject,
    max_history: int,
    method: str,
    seed: int,
    *,
    route: Route = LABEL,
    keep: Keep = keep_nothing,
) -> list[dict[str, Any]]:
    """Result rows of a scenario that judges pairs, beside those of methods that know items or users only.

    ``keep`` gets each user's rows, ranked by the judgment; those that were positive are the targets.
    """
    judged = judge(model, subject, max_history, POPULATIONS[0], route=route)
    if judged is None:
        return []
    keep(Measured(subject, subject.scenario.views[0], POPULATIONS[0], method, ranked(judged), {}))
    return _rows(subject.name, subject.protocol, [judged], method, seed)


def ranked(judged: Judged) -> Ranking:
    """Each user's rows among themselves, the likeliest positive first; what was positive are the targets."""
    row_M = judged.user_M.unique_consecutive(return_inverse=True)[1]
    order_M = judged.logit_M.argsort(descending=True, stable=True)
    order_M = order_M[row_M[order_M].argsort(stable=True)]
    row_M, item_M = row_M[order_M], judged.item_M[order_M]
    count_B = torch.bincount(row_M)
    place_M = torch.arange(len(row_M), device=row_M.device) - (count_B.cumsum(0) - count_B)[row_M]
    top_BK = item_M.new_full((len(count_B), TOP), -1)
    shown_M = place_M < TOP
    top_BK[row_M[shown_M], place_M[shown_M]] = item_M[shown_M]
    positive_M = judged.label_M[order_M].bool()
    return Ranking(row_M[positive_M], item_M[positive_M], place_M[positive_M] + 1, count_B, top_BK)


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
    """AUC on the validation rows of each scenario that judges pairs: what its training is steered by.

    The same rows settle the cutoffs of the tasks, which are part of the model's state.
    """
    scores: dict[str, float] = {}
    of_task: dict[PairTask, list[Judged]] = {}
    for name, subject in subjects.items():
        judged = judge(model, subject, lengths[name], VALIDATION, limit)
        task = model.main_task(name)
        if judged is None or not isinstance(task, PairTask):
            continue
        of_task.setdefault(task, []).append(judged)  # domains may share one
        value = auc(judged.logit_M, judged.label_M)
        if not math.isnan(value):
            scores[name] = value
    for task, parts in of_task.items():
        judged = Judged.join(parts)
        task.settle(judged.logit_M, judged.label_M)
    return scores


def _rows(name: str, protocol: str, parts: list[Judged], method: str, seed: int) -> list[dict[str, Any]]:
    judged = Judged.join(parts)
    # Users are counted within their scenario: those of two domains with the same number are not the same.
    users = sum(int(part.user_M.unique().numel()) for part in parts)
    both = sum(len(users_with_both(part.label_M, part.user_M)) for part in parts)
    return [
        {
            "protocol": protocol,
            "scenario": name,
            "view": VIEW,
            "population": POPULATIONS[0].name,
            "method": by,
            "metric": metric,
            "value": value,
            "users": both if metric == "gauc" else users,
            "standard_error": None,
            "seed": seed,
        }
        for by, figures in click_figures(judged, method).items()
        for metric, value in figures.items()
        if not math.isnan(value)
    ]


def click_figures(judged: Judged, method: str) -> dict[str, dict[str, float]]:
    """Figures of a model's judgment, beside those of what knows items only and of what knows users only.

    AUC over all rows, and ``gauc`` within users: what a method says of users as such counts in the first only, and
    a method that does nothing else has .5 of the second. Then log loss and calibration error of probabilities, and
    of the model's decisions precision, recall, F1 and balanced accuracy.
    """
    known = {method: judged.logit_M.sigmoid(), ITEM_RATE: judged.rate_M, HISTORY_SHARE: judged.share_M}
    found = {}
    for by, probability_M in known.items():
        # AUC from log odds: probabilities near 0 and 1 would tie.
        score_M = judged.logit_M if by == method else probability_M
        found[by] = {
            "auc": auc(score_M, judged.label_M),
            "gauc": grouped_auc(score_M, judged.label_M, judged.user_M),
            "log_loss": log_loss(probability_M, judged.label_M),
            "ece": calibration_error(probability_M, judged.label_M),
        }
    found[method] |= decision_figures(judged.taken_M, judged.label_M)
    return found


def _positive_rates(events: Events, task: PairTask) -> tuple[float, Tensor]:
    """Share of positives in training rows: of all, and ``[N]`` of each item's, drawn to the former by ten rows."""
    row_M = torch.from_numpy(events.rows([Phase.TRAIN])[1]).to(events.item_R.device)
    label_M, item_M = task.labels(events.value_R[row_M]).double(), events.item_R[row_M].long()
    rate = float(label_M.mean()) if len(label_M) else 0.5
    positive_N = torch.zeros(events.n_items, dtype=torch.float64, device=item_M.device)
    positive_N.index_add_(0, item_M, label_M)
    count_N = torch.bincount(item_M, minlength=events.n_items)
    return rate, ((positive_N + 10 * rate) / (count_N + 10)).float()
