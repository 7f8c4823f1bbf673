"""Replayed lists: what the lists of the log say about those that another model would have shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import ExperimentError
from polyscene.evaluation.evaluator import model_scorer
from polyscene.evaluation.ranking import rank_targets
from polyscene.evaluation.requests import Requests
from polyscene.evaluation.subject import Subject
from polyscene.experiments.offpolicy import Trials, estimate_policy
from polyscene.feedback import Impression
from polyscene.model import PolysceneModel
from polyscene.retrieval.pairs import Pairs, left_out
from polyscene.updating.joining import Joined

_BATCH, _DRAWS, _LEVEL = 256, 1_000, 0.05


@dataclass(frozen=True)
class Lists:
    """L logged lists of items that are known, each with the user's row and what had happened before it.

    Args:
        shown: the lists.
        user_L: int64 rows of users.
        stop_L: int64, the row of events behind the user's past.
        reward_L: for each list, whether each of its items brought a success.
    """

    shown: Sequence[Impression]
    user_L: Tensor
    stop_L: Tensor
    reward_L: Sequence[Sequence[bool]]


@dataclass(frozen=True)
class Placed:
    """What a model would have shown in place of logged lists.

    Args:
        same_L: for each list, which of its items would have stood where they stood.
        score_L: the model's scores of its items, which a direct model of rewards reads.
        best_L: the scores of those that it would have shown.
    """

    same_L: list[np.ndarray]
    score_L: list[np.ndarray]
    best_L: list[np.ndarray]


@dataclass(frozen=True)
class Estimated:
    """The reward of a list: what the log says of the lists of two models.

    Args:
        lists: logged lists that were looked at.
        same: share of them whose first item the new model would show as well.
        reward: what a list brought, and those among ``same``; None where there is none.
        old, new: what a list of either model would bring, by method (``snips``, ``dr``).
        low, high: interval of ``new - old`` by SNIPS, by a bootstrap over users.
        impossible: why there is no estimate; empty where there is one.
    """

    lists: int
    same: float = 0.0
    reward: float | None = None
    reward_same: float | None = None
    old: dict[str, float] | None = None
    new: dict[str, float] | None = None
    low: float = 0.0
    high: float = 0.0
    impossible: str = ""


def lists_of(
    joined: Joined, shown: Sequence[tuple[int, Impression]], brought: dict[tuple[str, str], set[str]], reward: str
) -> Lists:
    """Logged lists in the terms of the data; those with items that are not known any more are passed over."""
    users = {user: row for row, user in enumerate(joined.loaded.tables.user_ids.tolist())}
    items = set(joined.loaded.tables.item_ids.tolist())
    start_UP, number_R = joined.served.events.start_UP.numpy(), joined.served.number_R.numpy()
    kept, user_L, stop_L, reward_L = [], [], [], []
    for number, one in shown:
        if not one.items or one.user not in users or not items.issuperset(one.items):
            continue
        row = users[one.user]
        first, last = start_UP[row, Phase.TRAIN], start_UP[row, Phase.VALIDATION + 1]
        kept.append(one)
        user_L.append(row)
        stop_L.append(first + int(np.searchsorted(number_R[first:last], number)))
        reward_L.append([reward in brought.get((one.event_id, item), ()) for item in one.items])
    return Lists(kept, torch.tensor(user_L, dtype=torch.int64), torch.tensor(stop_L, dtype=torch.int64), reward_L)


@torch.inference_mode()
def place(model: PolysceneModel, subject: Subject, joined: Joined, lists: Lists) -> Placed:
    """What a model in eval mode, bound to all rows as served, would have shown from the past as it was then."""
    scorer = model_scorer(model, subject, joined.loaded.config.max_history)
    views = {view.name: view for view in subject.scenario.views}
    position = {item: row for row, item in enumerate(joined.loaded.tables.item_ids.tolist())}
    placed = Placed([], [], [])
    for at_B in torch.arange(len(lists.shown)).split(_BATCH):
        for name in dict.fromkeys(_view(lists.shown[at], views) for at in at_B.tolist()):
            of_view = [at for at in at_B.tolist() if _view(lists.shown[at], views) == name]
            requests = _requests(subject, lists, torch.tensor(of_view), mask_history=views[name].mask_history)
            score_BN = scorer(requests, views[name])
            longest = max(len(lists.shown[at].items) for at in of_view)
            best_BK = rank_targets(
                score_BN, requests.targets, masked=requests.masked, user_B=requests.user_B, top=longest
            ).top_BK
            for row, at in enumerate(of_view):
                own = torch.tensor([position[item] for item in lists.shown[at].items], device=score_BN.device)
                best = best_BK[row, : len(own)]
                placed.same_L.append((best == own).cpu().numpy())
                placed.score_L.append(score_BN[row, own].float().cpu().numpy())
                placed.best_L.append(score_BN[row, best.clamp(min=0)].float().cpu().numpy())
    return placed


def estimate(lists: Lists, old: Placed, new: Placed, clip: float | None) -> Estimated:
    """Compare two models by the lists of the log.

    Where the log explored, rewards are weighted by how likely what was shown was: SNIPS, and doubly robust with a
    linear model of the model's scores. Where it did not, nothing can be said of lists that were not shown.
    """
    if not lists.shown:
        return Estimated(0, impossible="the log has no list that was shown since")
    reward_L = np.array([float(sum(rewards)) for rewards in lists.reward_L])
    same_L = np.array([bool(same[0]) for same in new.same_L])
    share = float(same_L.mean())
    told = Estimated(
        len(lists.shown), share, float(reward_L.mean()), float(reward_L[same_L].mean()) if share else None
    )
    kept = [at for at, one in enumerate(lists.shown) if one.propensities is not None]
    explored = [at for at in kept if min(lists.shown[at].propensities or (1.0,)) < 1]
    if not explored:
        why = "the policy of the log always shows the best of the model that served"
        return _without(told, f"{why}: nothing is known of lists that it did not show")
    by_model = [_trials(lists, placed, kept) for placed in (old, new)]
    try:
        values = [{one.method: one.value for one in estimate_policy(trials, clip)} for trials in by_model]
    except ExperimentError as error:
        return _without(told, error.what)
    low, high = _interval(by_model[0], by_model[1], clip)
    picked = [{name: value[name] for name in ("snips", "dr")} for value in values]
    return Estimated(**{**vars(told), "old": picked[0], "new": picked[1], "low": low, "high": high})


def _without(told: Estimated, why: str) -> Estimated:
    return Estimated(**{**vars(told), "impossible": why})


def _view(shown: Impression, views: Collection[str]) -> str:
    return shown.view if shown.view is not None and shown.view in views else next(iter(views))


def _requests(subject: Subject, lists: Lists, at_B: Tensor, *, mask_history: bool) -> Requests:
    """Who was asked at the time of some lists; whatever they had then is left out, as it was then."""
    events: Events = subject.events
    user_B, stop_B = lists.user_L[at_B].to(events.item_R.device), lists.stop_L[at_B].to(events.item_R.device)
    start_B = events.start_UP[user_B, Phase.TRAIN]
    own_item_B = None if subject.own_item_U is None else subject.own_item_U[user_B]
    nothing = torch.zeros(0, dtype=torch.int64, device=user_B.device)
    masked = left_out(events, start_B, stop_B, mask_history=mask_history, own_item_B=own_item_B)
    return Requests(user_B, start_B, stop_B, Pairs(nothing, nothing), masked)


def _trials(lists: Lists, target: Placed, kept: list[int]) -> Trials:
    """Shown items with what a model would have put in their places."""
    users: dict[str, int] = {}
    rows, features, means = [], [], []
    for number, at in enumerate(kept):
        one = lists.shown[at]
        assert one.propensities is not None
        user = users.setdefault(one.user, len(users))
        for spot, chance in enumerate(one.propensities):
            same, reward = float(target.same_L[at][spot]), float(lists.reward_L[at][spot])
            rows.append((user, number, spot, chance, same, reward))
            features.append([1 / (spot + 1), target.score_L[at][spot]])
            means.append([1 / (spot + 1), target.best_L[at][spot]])
    columns = np.array(rows, dtype=np.float64).T
    user_R, list_R, place_R = columns[:3].astype(np.int64)
    return Trials(user_R, list_R, place_R, columns[3], columns[4], columns[5], np.array(features), np.array(means))


def _interval(old: Trials, new: Trials, clip: float | None) -> tuple[float, float]:
    """Interval of the difference of both SNIPS, over samples of users with replacement."""
    users, places = int(old.user_R.max()) + 1, int(old.place_R.max()) + 1
    draws = np.random.default_rng(0).multinomial(users, np.full(users, 1 / users), size=_DRAWS)

    def values(trials: Trials) -> np.ndarray:
        weight_R = trials.target_R / trials.chance_R
        weight_R = weight_R if clip is None else np.minimum(weight_R, clip)
        cell_R = trials.user_R * places + trials.place_R
        sums = [
            draws @ np.bincount(cell_R, of_R, minlength=users * places).reshape(users, places)
            for of_R in (weight_R, weight_R * trials.reward_R, np.ones_like(weight_R))
        ]
        weight_DP, brought_DP, count_DP = sums
        mean_DP = brought_DP / np.maximum(weight_DP, 1e-12)
        return (mean_DP * count_DP / np.maximum(count_DP[:, :1], 1)).sum(axis=1)

    low, high = np.quantile(values(new) - values(old), [_LEVEL / 2, 1 - _LEVEL / 2])
    return float(low), float(high)
