"""Kept rows: how well a model does on rows that it never learns from, user by user."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from polyscene.evaluation import metrics
from polyscene.evaluation.clicks import judge
from polyscene.evaluation.evaluator import TOP, model_scorer
from polyscene.evaluation.ranking import rank_targets
from polyscene.evaluation.requests import VALIDATION
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.tasks.task import PairTask

LEVEL = 0.05


@dataclass(frozen=True)
class Compared:
    """A metric of an old and a new model on the same requests.

    Args:
        metric: its name.
        users: how many users are behind it.
        old, new: means over users.
        low, high: interval of ``new - old``: Student's, paired by user, of which 95 of 100 hold.
    """

    metric: str
    users: int
    old: float
    new: float
    low: float
    high: float

    @property
    def lost(self) -> float:
        """The share of the old figure that the new one lacks; negative where it is better."""
        return (self.old - self.new) / self.old if self.old > 0 else 0.0


@torch.inference_mode()
def figures(
    model: PolysceneModel, subject: Subject, max_history: int, *, limit: int, n_items: int = 0
) -> dict[int, float]:
    """The metric of each user who has rows in the phase of validation.

    NDCG@10 of the first view; where rows are judged one by one, AUC.

    Args:
        model: in eval mode.
        subject: the scenario's requests.
        max_history: rows of the past that the network reads.
        limit: at most so many users, evenly spaced.
        n_items: only the first so many items are ranked; 0 ranks all.
    """
    if isinstance(model.main_task(subject.name), PairTask):
        return _judged(model, subject, max_history, limit)
    scorer, view = model_scorer(model, subject, max_history), subject.scenario.views[0]
    allowed_N = torch.arange(subject.events.n_items, device=model.device) < (n_items or subject.events.n_items)
    found: dict[int, float] = {}
    for requests in subject.requests(VALIDATION, view, limit):
        ranking = rank_targets(
            scorer(requests, view),
            requests.targets,
            masked=requests.masked,
            candidates_N=allowed_N,
            user_B=requests.user_B,
        )
        found |= zip(requests.user_B.tolist(), metrics.ndcg(ranking, TOP).tolist(), strict=True)
    return {user: value for user, value in found.items() if not math.isnan(value)}


def compare(metric: str, old: Mapping[int, float], new: Mapping[int, float]) -> Compared | None:
    """Two models over the users whom both could be asked about; None where these are fewer than two."""
    users = sorted(old.keys() & new.keys())
    if len(users) < 2:
        return None
    old_U, new_U = np.array([old[user] for user in users]), np.array([new[user] for user in users])
    change_U = new_U - old_U
    error = float(change_U.std(ddof=1) / np.sqrt(len(users)))
    margin = float(stats.t.ppf(1 - LEVEL / 2, len(users) - 1)) * error
    change = float(change_U.mean())
    return Compared(metric, len(users), float(old_U.mean()), float(new_U.mean()), change - margin, change + margin)


def _judged(model: PolysceneModel, subject: Subject, max_history: int, limit: int) -> dict[int, float]:
    """For each user with a positive row, the share of all negative rows that score below it; ties count half.

    Their mean is AUC, with users in place of positive rows.
    """
    judged = judge(model, subject, max_history, VALIDATION, limit)
    if judged is None:
        return {}
    label_M = judged.label_M.bool()
    negative_Q, positive_P = judged.logit_M[~label_M].sort().values, judged.logit_M[label_M]
    if not len(negative_Q):
        return {}
    below_P = torch.searchsorted(negative_Q, positive_P) + torch.searchsorted(negative_Q, positive_P, right=True)
    share_P = below_P.double() / (2 * len(negative_Q))
    user_P = judged.user_M[label_M]
    users, code_P = user_P.unique(return_inverse=True)
    sum_U = torch.zeros(len(users), dtype=torch.float64, device=share_P.device).index_add_(0, code_P, share_P)
    mean_U = sum_U / torch.bincount(code_P, minlength=len(users))
    return dict(zip(users.tolist(), mean_U.tolist(), strict=True))
