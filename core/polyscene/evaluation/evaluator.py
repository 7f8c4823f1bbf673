"""The evaluator: full rankings of any method, as rows of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, product
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.data.windows import Windows
from polyscene.evaluation import metrics
from polyscene.evaluation.baselines.baseline import Baseline
from polyscene.evaluation.baselines.history import History
from polyscene.evaluation.measured import Keep, Measured, keep_nothing
from polyscene.evaluation.ranking import Ranking, rank_targets
from polyscene.evaluation.requests import POPULATIONS, VALIDATION, Population, Requests
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.priors.moments import unanswered
from polyscene.retrieval.scores import with_priors
from polyscene.routing import LABEL, Route

TOP = 10

# Scores [B, N] of all items for a batch of requests under a view.
Scorer = Callable[[Requests, View], Tensor]


def model_scorer(
    model: PolysceneModel, subject: Subject, max_history: int, route: Route = LABEL, *, priors: bool = True
) -> Scorer:
    """Scores of a trained model, states adapted by their label or without it. The catalogue is encoded once.

    Args:
        model: the model, in eval mode.
        subject: the scenario's requests.
        max_history: rows of the past that the network reads.
        route: by which adapters.
        priors: False for the network alone.
    """
    task = model.main_task(subject.name)
    if task.reads_together:
        length, items_N = max_history if subject.from_history else 1, _items(model, subject)
        return lambda requests, _: task.joint_scores(requests.windows(subject.events, length), items_N)
    parts = network_and_past(model, subject, max_history, route)

    def scores(requests: Requests, view: View) -> Tensor:
        network_BN, past = parts(requests, view)
        return with_priors(model, subject.name, network_BN, past, view.name) if priors else network_BN

    return scores


def network_and_past(
    model: PolysceneModel, subject: Subject, max_history: int, route: Route = LABEL
) -> Callable[[Requests, View], tuple[Tensor, Windows]]:
    """What a model's network says of all items ``[B, N]``, and the histories that its priors read.

    Priors are told all that is known of a user, the network its last rows.
    """
    catalogue, items_N = model.catalogue(subject.name), _items(model, subject)
    length = max_history if subject.from_history else 1

    def parts(requests: Requests, view: View) -> tuple[Tensor, Windows]:
        x_Nd = catalogue.all()  # before the states, which take their items from it
        windows = requests.windows(subject.events, length)
        routing = model.routing(subject.name, windows, catalogue, route)
        h_Bd = model.user_states(subject.name, windows, catalogue, routing)
        network_BN = model.scores(subject.name, h_Bd, x_Nd, items_N, view.name, routing=routing)
        if (mixture := model.mixture(subject.name)) is None:
            return network_BN, windows
        past = requests.windows(subject.events, mixture.longest)
        return network_BN, unanswered(past, subject.events.n_items) if mixture.of_facts else past

    return parts


def _items(model: PolysceneModel, subject: Subject) -> Tensor:
    return torch.arange(subject.events.n_items, device=model.device)


def baseline_scorer(baseline: Baseline, subject: Subject, population: Population) -> Scorer:
    """Scores of a fitted baseline, from the same past that a model sees."""
    phases = [phase for phase in Phase if phase < min(population.phase, Phase.TEST)]

    def scores(requests: Requests, view: View) -> Tensor:
        users = requests.user_B.cpu().numpy()
        history = History.of(subject.events, users, phases)
        return torch.tensor(baseline.scores(users, history), device=requests.user_B.device)

    return scores


def evaluate_scorer(
    subject: Subject, population: Population, view: View, scorer: Scorer, *, limit: int = 0
) -> dict[str, metrics.Summary]:
    """Metrics over all requests of a population; empty where it has no targets."""
    ranking = rank_requests(subject, population, view, scorer, limit=limit)
    return {} if ranking is None else _summaries(subject, ranking)


def rank_requests(
    subject: Subject, population: Population, view: View, scorer: Scorer, *, limit: int = 0
) -> Ranking | None:
    """The rankings of all requests of a population; ``None`` where it has no targets."""
    return _rank_together(subject, [population], view, scorer, limit=limit)[0]


@torch.inference_mode()
def _rank_together(
    subject: Subject, populations: Sequence[Population], view: View, scorer: Scorer, *, limit: int = 0
) -> list[Ranking | None]:
    """The rankings of populations with the same requests, which are scored once."""
    parts: list[list[Ranking]] = [[] for _ in populations]
    for requests in subject.requests(populations[0], view, limit):
        score_BN = scorer(requests, view)
        for population, found in zip(populations, parts, strict=True):
            ranking = rank_targets(
                score_BN,
                requests.targets,
                masked=requests.masked,
                candidates_N=subject.events.cold_N if population.cold_candidates else None,
                user_B=requests.user_B,
                top=TOP,
            )
            found.append(ranking)
    return [Ranking.join(found) if found else None for found in parts]


def evaluate_method(
    subject: Subject,
    method: str,
    scorer_of: Callable[[Population], Scorer],
    seed: int,
    only: str = "",
    *,
    keep: Keep = keep_nothing,
) -> list[dict[str, Any]]:
    """Result rows of one method: every view and population that has targets; ``keep`` gets the rankings."""
    rows = []
    wanted = [population for population in POPULATIONS if only in ("", population.name)]
    groups = [list(group) for _, group in groupby(wanted, key=attrgetter("phase", "cold_users"))]
    for view, group in product(subject.scenario.views, groups):
        for population, ranking in zip(
            group, _rank_together(subject, group, view, scorer_of(group[0])), strict=True
        ):
            if ranking is None:
                continue
            summaries = _summaries(subject, ranking)
            keep(Measured(subject, view, population, method, ranking, summaries))
            rows += [
                {
                    "protocol": subject.protocol,
                    "scenario": subject.name,
                    "view": view.name,
                    "population": population.name,
                    "method": method,
                    "metric": metric,
                    "value": summary.mean,
                    "users": summary.users,
                    "standard_error": None if np.isnan(summary.standard_error) else summary.standard_error,
                    "seed": seed,
                }
                for metric, summary in summaries.items()
                if not np.isnan(summary.mean)
            ]
    return rows


def validation_score(
    subjects: Mapping[str, Subject], scorers: Mapping[str, Scorer], limit: int
) -> dict[str, float]:
    """NDCG@10 on validation rows of each scenario's first view: what training is steered by.

    Scenarios without a scorer, which rank nothing, are passed over.
    """
    scores = {}
    for name, subject in ((name, subjects[name]) for name in subjects if name in scorers):
        for score in validation_scores(subject, scorers[name], limit, subject.scenario.views[:1]).values():
            scores[name] = score
    return scores


def validation_scores(subject: Subject, scorer: Scorer, limit: int, views: Sequence[View]) -> dict[str, float]:
    """NDCG@10 on validation rows by view, of the views that have any."""
    found = {}
    for view in views:
        summaries = evaluate_scorer(subject, VALIDATION, view, scorer, limit=limit)
        if summaries and not np.isnan(summaries[f"ndcg@{TOP}"].mean):
            found[view.name] = summaries[f"ndcg@{TOP}"].mean
    return found


def _summaries(subject: Subject, ranking: Ranking) -> dict[str, metrics.Summary]:
    events = subject.events
    users = int((ranking.targets_per_row > 0).sum())
    coverage = metrics.catalogue_coverage(ranking.top_BK, events.n_items)
    popularity_N = torch.from_numpy(np.asarray(events.matrix([Phase.TRAIN]).sum(axis=0)).ravel())
    bias_B = metrics.popularity_bias(ranking.top_BK, popularity_N.to(ranking.top_BK.device))
    of_facts = {} if subject.from_history else _summaries_of_facts(ranking)
    return {
        f"ndcg@{TOP}": metrics.summarize(metrics.ndcg(ranking, TOP)),
        f"recall@{TOP}": metrics.summarize(metrics.recall(ranking, TOP)),
        f"hit@{TOP}": metrics.summarize(metrics.hit(ranking, TOP)),
        "mrr": metrics.summarize(metrics.reciprocal_rank(ranking)),
        f"coverage@{TOP}": metrics.Summary(coverage, float("nan"), users),
        f"popularity_bias@{TOP}": metrics.summarize(bias_B),
        **of_facts,
        **{name: metrics.summarize(metric(ranking, events)) for name, metric in subject.metrics.items()},
    }


def _summaries_of_facts(ranking: Ranking) -> dict[str, metrics.Summary]:
    """What is reported of link prediction beside MRR and hit@10: over both directions of every fact."""
    hits = {f"hit@{k}": metrics.summarize(metrics.hit(ranking, k)) for k in (1, 3)}
    return {**hits, "mean_rank": metrics.summarize(ranking.rank_M.double())}
