"""Lifting: how far items that nobody has had yet may rise, for a cost among the others that is agreed upon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from polyscene.data.scenario import View
from polyscene.evaluation.evaluator import Scorer, model_scorer, validation_scores
from polyscene.evaluation.requests import Requests
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.tasks.ranking import RankingTask

# A lift counts as much as the network's gate, which may be nearly closed.
HIGHEST, HALVINGS = 2.0**14, 20


def keep_out(model: PolysceneModel, names: Iterable[str]) -> None:
    """Rank no new items while the model learns: they would steer training, by chance.

    Nothing says yet where they belong among the others, so that one state of the network ranks them above all else
    and the next below, and validation rows, of known items, would tell no more than that. Among few labels nearly
    every item is new, and they stay.
    """
    for name in names:
        if isinstance(task := model.main_task(name), RankingTask):
            task.lift.fill_(0 if task.popularity.few else -HIGHEST)


def let_in(model: PolysceneModel, names: Iterable[str]) -> None:
    """Rank new items by what is learned of them, as if they were known."""
    for name in names:
        if isinstance(task := model.main_task(name), RankingTask):
            task.lift.zero_()


def new_items(model: PolysceneModel, name: str) -> Tensor | None:
    """bool ``[N]``, the items that no training row holds; None where there are none, or few labels."""
    task = model.main_task(name)
    if not isinstance(task, RankingTask) or task.popularity.few or bool(task.trained_N.all()):
        return None
    return ~task.trained_N


@torch.inference_mode()
def lift_new_items(
    model: PolysceneModel,
    subjects: Mapping[str, Subject],
    lengths: Mapping[str, int],
    cost: float,
    limit: int = 0,
) -> dict[str, float]:
    """Give new items the largest lift with which they cost at most a share of the score on validation rows, in
    every view: where counting knows more than the network, a lift must be high to show in one view, and would put
    new items above everything in another.

    What is learned of new items says how they compare with each other; among all items it may put them too low, as
    a new item is a poor bet while nothing is known of its popularity, or too high. What they cost is paid by the
    known items that they push down, so that no row of a new item is needed to find out: it is the
    difference from a ranking without them, by halving, on the same users. The lift can be negative.

    Args:
        model: the model, in eval mode; its tasks remember the lift.
        subjects: the scenarios' requests.
        lengths: rows of the past that the model reads, by scenario.
        cost: the share; with 0 nothing is done.
        limit: at most so many users of a scenario; 0 takes all.

    Returns:
        The lifts by scenario, where there are new items.
    """
    found = {}
    for name, subject in subjects.items() if cost > 0 else ():
        task, new_N = model.main_task(name), new_items(model, name)
        if not isinstance(task, RankingTask):
            continue
        scorer, views = model_scorer(model, subject, lengths[name]), subject.scenario.views
        task.lift.zero_()
        before = {} if new_N is None else validation_scores(subject, without(scorer, new_N), limit, views)
        if not before:
            continue
        low, high = -HIGHEST, HIGHEST
        for _ in range(HALVINGS):
            task.lift.fill_((low + high) / 2)
            after = validation_scores(subject, scorer, limit, views)
            if all(after[view] >= (1 - cost) * score for view, score in before.items()):
                low = float(task.lift)
            else:
                high = float(task.lift)
        task.lift.fill_(low)
        found[name] = low
    return found


def without(scorer: Scorer, new_N: Tensor) -> Scorer:
    """Scores that rank some items below all others."""

    def scores(requests: Requests, view: View) -> Tensor:
        score_BN = scorer(requests, view)
        return score_BN.masked_fill(new_N.to(score_BN.device), torch.finfo(score_BN.dtype).min)

    return scores
