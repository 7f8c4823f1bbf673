"""Settling: the gates of network and priors, fitted on rows that the statistics do not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.evaluation.evaluator import network_and_past
from polyscene.evaluation.requests import VALIDATION, Requests, evenly_spaced
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.priors.counting import per_item
from polyscene.priors.fitting import fit_gates
from polyscene.priors.heads import Heads
from polyscene.priors.mixture import LONGEST, PriorMixture
from polyscene.priors.moments import Moments, facts_asked, latest, moments
from polyscene.tasks.facts import RELATION

_BATCH = 128
# Scores of users and items that are looked at, which takes seconds, and users of a large catalogue at least.
_SCORES, _LEAST_USERS = 40_000_000, 1_000
# By so much fewer are looked at once more with short histories: it is one end of the gates that they move.
_FEWER = 4
# Training rows that stand in for validation rows where there are none.
_ROWS = 512
# Rows that are left of histories, in turn, to see what the parts are worth to newcomers.
_SHORT = (0, 1, 4, 16, 64)
# Turns a user's number into an even spread over [0, 1), without a generator.
_GOLDEN = 0.6180339887498949


def settle_gates(
    model: PolysceneModel,
    subjects: Mapping[str, Subject],
    lengths: Mapping[str, int],
    without: Mapping[str, Tensor] = MappingProxyType({}),
) -> None:
    """Fit the gates of every scenario with priors to its validation rows.

    Of validation rows the network has learned nothing, and nothing was counted, so they say what each part is
    worth; on its own training rows a network is better than on any others. What is fitted is NDCG@10 itself: the
    likelihood of the rows would weigh the parts by how well they order the whole catalogue. What the parts are
    worth to newcomers is seen on the same rows with most of the past taken away. Where there are no validation
    rows, training rows stand in, each left out of the statistics that score it.

    Args:
        model: the model, in eval mode, with training rows counted.
        subjects: the scenarios' requests.
        lengths: rows of the past that the network reads, by scenario.
        without: bool ``[N]`` of scenarios, items that are not ranked yet.
    """
    for name, subject in subjects.items():
        mixture = model.mixture(name)
        if mixture is None:
            continue
        heads = partial(_of_validation, model, mixture, subject, lengths[name], without=without.get(name))
        for view in subject.scenario.views:
            users = max(_LEAST_USERS, _SCORES // subject.events.n_items)
            usual, short = (
                heads(view, users=most, short=short)
                for most, short in ((users, False), (max(_LEAST_USERS, users // _FEWER), True))
            )
            if usual:
                fit_gates(mixture, view.name, usual, short)
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


@torch.no_grad()
def _of_validation(
    model: PolysceneModel,
    mixture: PriorMixture,
    subject: Subject,
    length: int,
    view: View,
    *,
    users: int,
    short: bool,
    without: Tensor | None,
) -> list[Heads]:
    """The validation rows of a view, in batches; with short histories where these can be shorter than usual."""
    lengths = torch.tensor([rows for rows in _SHORT if rows < float(mixture.usual)])
    if short and len(lengths) < 2:
        return []
    scores, parts = network_and_past(model, subject, length), []
    for requests in subject.requests(VALIDATION, view, users):
        asked = shortened(requests, lengths, ordered=subject.events.ordered) if short else requests
        network_QN, past = scores(asked, view)
        out_QN = torch.zeros_like(network_QN, dtype=torch.bool)
        if requests.masked is not None:
            out_QN[requests.masked.row_M, requests.masked.item_M] = True
        if without is not None:
            out_QN |= without.to(out_QN.device)
        target_QN = torch.zeros_like(out_QN)
        target_QN[requests.targets.row_M, requests.targets.item_M] = True
        prior_PQN = mixture.prior_scores(past, network_QN.shape[1])
        parts.append(Heads.of(network_QN, prior_PQN, out_QN, target_QN, mixture.shortness(past)))
    return parts


def shortened(requests: Requests, lengths: Tensor, *, ordered: bool) -> Requests:
    """The same requests with a little of their past, in turn so many rows; what is left out stays left out.

    In order the last rows stay, without order some from anywhere, as files have them in an order of their own.
    """
    start_B, stop_B = requests.start_B, requests.stop_B
    number_B = torch.arange(len(start_B), device=start_B.device)
    length_B = torch.minimum(lengths.to(start_B.device)[number_B % len(lengths)], stop_B - start_B)
    spare_B = stop_B - start_B - length_B
    first_B = start_B + (spare_B if ordered else (spare_B * (_GOLDEN * number_B % 1)).long())
    return replace(requests, start_B=first_B, stop_B=first_B + length_B)


@torch.no_grad()
def _of_rows(
    model: PolysceneModel,
    mixture: PriorMixture,
    subject: Subject,
    length: int,
    view: View,
    *,
    rows: tuple[np.ndarray, np.ndarray],
) -> list[Heads]:
    """Rows of the training phase, in batches."""
    events, parts = subject.events, []
    catalogue = model.catalogue(subject.name)
    x_Nd, items_N = catalogue.all(), torch.arange(events.n_items, device=model.device)
    user_M, row_M = (torch.from_numpy(array).to(model.device) for array in rows)
    for user_Q, row_Q in zip(user_M.split(_BATCH), row_M.split(_BATCH), strict=True):
        if mixture.of_facts:
            asked = facts_asked(events, user_Q, row_Q)
        else:
            asked = moments(events, user_Q, row_Q, mixture.longest)
        # Of a fact the network reads head and relation, as they are in the row itself.
        read = asked.hidden if mixture.of_facts else latest(asked.past, length)
        h_Qd = model.user_states(subject.name, read, catalogue)
        network_QN = model.scores(subject.name, h_Qd, x_Nd, items_N, view.name)
        prior_PQN = mixture.prior_scores(asked.past, events.n_items, asked.hidden)
        seen_QN = _seen(events, asked, user_Q, row_Q, of_facts=mixture.of_facts)
        out_QN = seen_QN if view.mask_history or mixture.of_facts else torch.zeros_like(seen_QN)
        if subject.own_item_U is not None:
            out_QN = out_QN.scatter(1, subject.own_item_U[user_Q].unsqueeze(1), value=True)
        target_QN = torch.zeros_like(out_QN).scatter(1, asked.item_Q.unsqueeze(1), value=True)
        parts.append(Heads.of(network_QN, prior_PQN, out_QN, target_QN, mixture.shortness(asked.past)))
    return parts


def _seen(events: Events, asked: Moments, user_Q: Tensor, row_Q: Tensor, *, of_facts: bool) -> Tensor:
    """bool ``[Q, N]``: the items of each history; for facts the other tails that are known to complete them."""
    past, told_QL = asked.past, asked.past.valid_BT
    if of_facts:
        past = moments(events, user_Q, row_Q, LONGEST).past
        told_QL = past.columns[RELATION] == asked.past.columns[RELATION]
    return per_item(past, told_QL.float(), events.n_items) > 0
