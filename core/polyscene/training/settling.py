"""Settling: the gates of network and priors, fitted on rows that the statistics do not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor

from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.evaluation.evaluator import network_and_past
from polyscene.evaluation.requests import VALIDATION, evenly_spaced
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.priors.counting import per_item
from polyscene.priors.mixture import PRIORS_ONLY, PriorMixture
from polyscene.priors.moments import latest, moments
from polyscene.priors.occurrence import TERMS

# Best items of each part that a row is fitted on: further down nothing decides about the top ten.
_HEAD = 100
# Targets of a row that are fitted, at most.
_TARGETS = 32
_CUT = 10
# Scores that a target is compared with.
_NEAR = 32
# Logarithm of the network's gate where it starts nearly closed.
_NEARLY_CLOSED = -3.0
# The first step of the search, in logarithms of gates and in weights, and the last.
_FIRST, _LAST = 1.0, 0.125
# By so much of itself NDCG must grow for a step to be taken: what is less is noise.
_GAIN = 0.002
_BATCH = 128
# Scores of users and items that are looked at, which takes seconds, and users of a large catalogue at least.
_SCORES, _LEAST_USERS = 40_000_000, 1_000
# Training rows that stand in for validation rows where there are none.
_ROWS = 512


def settle_gates(model: PolysceneModel, subjects: Mapping[str, Subject], lengths: Mapping[str, int]) -> None:
    """Fit the gates of every scenario with priors to its validation rows.

    Of validation rows the network has learned nothing, and nothing was counted, so they say what each part is
    worth; on its own training rows a network is better than on any others. What is fitted is NDCG@10 itself: the
    likelihood of the rows would weigh the parts by how well they order the whole catalogue. Where there are no
    validation rows, training rows stand in, each left out of the statistics that score it.

    Args:
        model: the model, in eval mode, with training rows counted.
        subjects: the scenarios' requests.
        lengths: rows of the past that the network reads, by scenario.
    """
    for name, subject in subjects.items():
        mixture = model.mixture(name)
        if mixture is None:
            continue
        for view in subject.scenario.views:
            users = max(_LEAST_USERS, _SCORES // subject.events.n_items)
            parts = _of_validation(model, mixture, subject, lengths[name], view, users=users)
            if parts:
                fit_gates(mixture, view.name, parts)
            else:
                user, row = subject.events.rows([Phase.TRAIN])
                chosen = evenly_spaced(len(row), _ROWS).numpy()
                settle_on_rows(model, subject, lengths[name], user[chosen], row[chosen], views=[view])


def settle_on_rows(
    model: PolysceneModel,
    subject: Subject,
    length: int,
    user: np.ndarray,
    row: np.ndarray,
    *,
    views: Sequence[View] = (),
) -> None:
    """Fit the gates of a scenario to rows of its training phase, each as it looked before it was known.

    Args:
        model: the model, in eval mode.
        subject: the scenario, with the rows that were counted.
        length: rows of the past that the network reads.
        user: int64 users of the rows.
        row: int64 rows.
        views: only these views; all if empty.
    """
    mixture = model.mixture(subject.name)
    for view in views or subject.scenario.views:
        if mixture is not None and len(row):
            fit_gates(mixture, view.name, _of_rows(model, mixture, subject, length, view, rows=(user, row)))


@dataclass(frozen=True)
class Asked:
    """Q rows and the C items that are at the head of some part's ranking.

    Args:
        network_QC, prior_PQC: what network and priors say of them.
        out_QC: bool, what is left out of the ranking, and what only fills up.
        target_QT: places of targets among the C items.
        found_QT: bool, which targets there are.
        ideal_Q: what a perfect top ten would gain.
    """

    network_QC: Tensor
    prior_PQC: Tensor
    out_QC: Tensor
    target_QT: Tensor
    found_QT: Tensor
    ideal_Q: Tensor


def at_head(
    network_QN: Tensor, prior_PQN: Tensor, out_QN: Tensor, target_QN: Tensor, *, head: int = _HEAD
) -> Asked:
    """What is fitted of full rankings: scores of the best items of each part, and targets among them.

    Args:
        network_QN, prior_PQN: scores of all items; the last of ``prior_PQN`` are the terms of occurrence.
        out_QN: bool, what is left out of the ranking.
        target_QN: bool, what should be found.
        head: best items of each part but the terms, which order nothing by themselves.
    """
    lowest, n_items = torch.finfo(network_QN.dtype).min, network_QN.shape[1]
    parts_GQN = torch.cat([network_QN.unsqueeze(0), prior_PQN[: -len(TERMS)]])
    best = parts_GQN.masked_fill(out_QN, lowest).topk(min(head, n_items), dim=2).indices
    item_QC = best.permute(1, 0, 2).flatten(1).sort(dim=1).values
    twice_QC = torch.zeros_like(item_QC, dtype=torch.bool)
    twice_QC[:, 1:] = item_QC[:, 1:] == item_QC[:, :-1]
    gone_QC = twice_QC | out_QN.gather(1, item_QC)
    # What only fills up goes to the end, and no more of it is kept than the longest row needs.
    kept_QC = gone_QC.long().argsort(dim=1, stable=True)[:, : max(1, int((~gone_QC).sum(dim=1).max()))]
    item_QC, gone_QC = item_QC.gather(1, kept_QC), gone_QC.gather(1, kept_QC)
    target_QC = target_QN.gather(1, item_QC) & ~gone_QC
    most = max(1, min(_TARGETS, int(target_QC.sum(dim=1).max())))
    found_QT, target_QT = target_QC.float().topk(most, dim=1)
    ideal_T = 1 / torch.log2(2.0 + torch.arange(_CUT, device=item_QC.device))
    index_PQC = item_QC.expand(len(prior_PQN), -1, -1)
    return Asked(
        network_QN.gather(1, item_QC),
        prior_PQN.gather(2, index_PQC),
        gone_QC,
        target_QT,
        found_QT > 0,
        ideal_T.cumsum(0)[(target_QN & ~out_QN).sum(dim=1).clamp(1, _CUT) - 1],
    )


def fit_gates(mixture: PriorMixture, view: str, parts: list[Asked]) -> None:
    """Fit the gates of one view to rows, in place: those of priors alone, and those with the network.

    The second fit starts where the gates are and, once more, at priors alone with the network nearly closed; what
    has the better NDCG stays. So a network that adds nothing takes nothing away either.
    """
    begun = mixture.parameters_of(view)
    with mixture.scoring(PRIORS_ONLY):
        beside, _ = _searched(mixture, mixture.parameters_of(view), parts)
        mixture.set_parameters(view, beside)
    beside[0] = _NEARLY_CLOSED
    found = [_searched(mixture, start, parts) for start in (begun, beside)]
    mixture.set_parameters(view, max(found, key=lambda pair: pair[1])[0])


def _searched(mixture: PriorMixture, begun_G: Tensor, parts: list[Asked]) -> tuple[Tensor, float]:
    """The best parameters that a compass search finds from some on, and their NDCG.

    Of all single steps up and down it takes the best, and halves them when none is better [Kolda, Lewis and
    Torczon, SIAM Review 2003]. NDCG has no slope to follow, and smooth forms of it led elsewhere.
    """
    value_G, step = begun_G.detach().clone(), _FIRST
    best = true_ndcg(mixture, value_G, parts)
    steps_SG = torch.cat([torch.eye(len(value_G)), -torch.eye(len(value_G))]).to(value_G)
    while step >= _LAST:
        tried_SG = value_G + step * steps_SG
        found, tried_G = max(((true_ndcg(mixture, one_G, parts), one_G) for one_G in tried_SG), key=itemgetter(0))
        if found > (1 + _GAIN) * best:
            value_G, best = tried_G, found
        else:
            step /= 2
    return value_G, best


@torch.no_grad()
def true_ndcg(mixture: PriorMixture, value_G: Tensor, parts: list[Asked]) -> float:
    """Mean NDCG@10 of the rows; a target stands in the middle of items with the same score."""
    total, rows = 0.0, 0
    for part in parts:
        score_QC = mixture(part.network_QC, part.prior_PQC, mixture.gates_of(value_G))
        score_QC = score_QC.masked_fill(part.out_QC, torch.finfo(score_QC.dtype).min)
        # The best are enough: who is below them, or among so many with one score, is not in the top ten.
        best_Q1K = score_QC.topk(min(_NEAR, score_QC.shape[1]), dim=1).values.unsqueeze(1)
        score_QT1 = score_QC.gather(1, part.target_QT).unsqueeze(2)
        above_QT = (best_Q1K > score_QT1).sum(dim=2) + ((best_Q1K == score_QT1).sum(dim=2) - 1) / 2
        gain_QT = torch.where(part.found_QT & (above_QT < _CUT), 1 / torch.log2(2.0 + above_QT), 0.0)
        total += float((gain_QT.sum(dim=1) / part.ideal_Q).sum())
        rows += len(part.out_QC)
    return total / max(1, rows)


@torch.no_grad()
def _of_validation(
    model: PolysceneModel, mixture: PriorMixture, subject: Subject, length: int, view: View, *, users: int
) -> list[Asked]:
    """The validation rows of a view, in batches."""
    scores, parts = network_and_past(model, subject, length), []
    for requests in subject.requests(VALIDATION, view, users):
        network_QN, past = scores(requests, view)
        out_QN = torch.zeros_like(network_QN, dtype=torch.bool)
        if requests.masked is not None:
            out_QN[requests.masked.row_M, requests.masked.item_M] = True
        target_QN = torch.zeros_like(out_QN)
        target_QN[requests.targets.row_M, requests.targets.item_M] = True
        prior_PQN = mixture.prior_scores(past, network_QN.shape[1])
        parts.append(at_head(network_QN, prior_PQN, out_QN, target_QN))
    return parts


@torch.no_grad()
def _of_rows(
    model: PolysceneModel,
    mixture: PriorMixture,
    subject: Subject,
    length: int,
    view: View,
    *,
    rows: tuple[np.ndarray, np.ndarray],
) -> list[Asked]:
    """Rows of the training phase, in batches."""
    events, parts = subject.events, []
    catalogue = model.catalogue(subject.name)
    x_Nd, items_N = catalogue.all(), torch.arange(events.n_items, device=model.device)
    user_M, row_M = (torch.from_numpy(array).to(model.device) for array in rows)
    for user_Q, row_Q in zip(user_M.split(_BATCH), row_M.split(_BATCH), strict=True):
        asked = moments(events, user_Q, row_Q, mixture.longest)
        h_Qd = model.user_states(subject.name, latest(asked.past, length), catalogue)
        network_QN = model.scores(subject.name, h_Qd, x_Nd, items_N, view.name)
        prior_PQN = mixture.prior_scores(asked.past, events.n_items, asked.hidden)
        seen_QN = per_item(asked.past, asked.past.valid_BT.float(), events.n_items) > 0
        out_QN = seen_QN if view.mask_history else torch.zeros_like(seen_QN)
        if subject.own_item_U is not None:
            out_QN = out_QN.scatter(1, subject.own_item_U[user_Q].unsqueeze(1), value=True)
        target_QN = torch.zeros_like(out_QN).scatter(1, asked.item_Q.unsqueeze(1), value=True)
        parts.append(at_head(network_QN, prior_PQN, out_QN, target_QN))
    return parts
