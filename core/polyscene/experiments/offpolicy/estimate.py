"""Estimates of the reward of a list: inverse propensity scores, their normalized form, and doubly robust."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import stats

from polyscene.errors import ConfigError, ExperimentError
from polyscene.experiments.offpolicy.direct import FOLDS, direct_values
from polyscene.experiments.offpolicy.trials import Trials

LEAST_USERS = 20
LEAST_SIZE = 20.0
_OFF, _SIGMAS, _TINY = 0.05, 4.0, 1e-12


@dataclass(frozen=True)
class Estimate:
    """The reward of a list under another policy, summed over its places.

    Args:
        method: ``logged`` (what the policy of the log brought), ``ips``, ``snips`` or ``dr``.
        value: the estimate.
        low, high: a confidence interval for one look, by users.
        size: effective number of shown items, ``(sum w)^2 / sum w^2`` [Kish].
        clipped: the share of weights that were clipped; the estimate is biased where this is above 0.
    """

    method: str
    value: float
    low: float
    high: float
    size: float
    clipped: float = 0.0


def estimate_policy(trials: Trials, clip: float | None = None, level: float = 0.05) -> list[Estimate]:
    """What a list of the other policy would have brought on average, by every method that there are data for.

    What an item brings at a place is taken to depend on user, item and place and not on the other items of the
    list (the item-position model of Li, Abbasi-Yadkori, Kveton et al., KDD 2018). With trials of the first place
    alone, nothing but that a first place does not depend on what lies below it.

    - ``ips``: rewards by ``w = target / propensity`` [Horvitz and Thompson, 1952]; unbiased.
    - ``snips``: weights of each place normalized by their mean [Swaminathan and Joachims, NeurIPS 2015]; slightly
      biased, varies less.
    - ``dr``: what a direct model expects, corrected by the weighted errors of it [Dudik, Langford and Li, ICML
      2011]; unbiased however bad the model is, and the more certain the better it is. Needs features.

    Users are the unit: the rewards of one user may depend on each other.

    Args:
        trials: see :func:`polyscene.experiments.offpolicy.trials.read_trials`.
        clip: the largest weight; ``None`` clips none.
        level: how often an interval may miss.

    Raises:
        ExperimentError: the log does not show, or hardly shows, what the other policy would show.
        ConfigError: a bound or level cannot be.
    """
    if (clip is not None and not clip > 0) or not 0 < level < 1:
        raise ConfigError(
            f"clip is {clip} and level {level}", where="estimate", fix="use clip > 0 and 0 < level < 1"
        )
    weight_R = trials.target_R / trials.chance_R
    _check_support(trials, weight_R)
    clipped_R = weight_R if clip is None else np.minimum(weight_R, clip)
    share = float((clipped_R < weight_R).mean())
    size = float(clipped_R.sum() ** 2 / (clipped_R**2).sum())
    if size < LEAST_SIZE:
        raise ExperimentError(
            f"the log is worth {size:.1f} shown items for this policy, fewer than {LEAST_SIZE:.0f}",
            where="off-policy estimate",
            fix="log more, explore more (a larger epsilon), clip weights, or ask for a policy nearer to the log's",
        )
    question = _Question(trials, level, size, share)
    reward_R = trials.reward_R
    logged = dataclasses.replace(question, size=float(len(reward_R)), clipped=0.0)
    found = [
        logged.mean("logged", reward_R),
        question.mean("ips", clipped_R * reward_R),
        question.normalized(clipped_R),
    ]
    if trials.feature_Rf is not None:
        shown_R, other_R = direct_values(trials)
        found.append(question.mean("dr", other_R + clipped_R * (reward_R - shown_R)))
    return found


@dataclass(frozen=True)
class _Question:
    """What all methods have in common."""

    trials: Trials
    level: float
    size: float
    clipped: float

    @property
    def lists(self) -> int:
        return int(self.trials.list_R.max()) + 1

    def mean(self, method: str, terms_R: np.ndarray) -> Estimate:
        """The mean over lists of sums of terms; its spread is that of what users add to it (delta method)."""
        trials, value = self.trials, float(terms_R.sum() / self.lists)
        user_L = np.zeros(self.lists, dtype=np.int64)
        user_L[trials.list_R] = trials.user_R
        lists_U = np.bincount(user_L)
        return self._estimate(method, value, np.bincount(trials.user_R, terms_R) - value * lists_U)

    def normalized(self, weight_R: np.ndarray) -> Estimate:
        """Weighted means of the places; one that some lists are too short for counts by the share that has it."""
        trials, value, terms_R = self.trials, 0.0, np.zeros(len(weight_R))
        for place in np.unique(trials.place_R):
            at_R = trials.place_R == place
            weight_Q, reward_Q = weight_R[at_R], trials.reward_R[at_R]
            total = max(float(weight_Q.sum()), _TINY)
            mean = float((weight_Q * reward_Q).sum()) / total
            value += len(weight_Q) / self.lists * mean
            terms_R[at_R] = weight_Q * (reward_Q - mean) * len(weight_Q) / total
        return self._estimate("snips", value, np.bincount(trials.user_R, terms_R))

    def _estimate(self, method: str, value: float, off_U: np.ndarray) -> Estimate:
        users = len(off_U)
        error = np.sqrt((off_U**2).sum() * users / (users - 1)) / self.lists
        margin = float(stats.t.ppf(1 - self.level / 2, users - 1) * error)
        return Estimate(method, value, value - margin, value + margin, self.size, self.clipped)


def _check_support(trials: Trials, weight_R: np.ndarray) -> None:
    """Weights are 1 on average where the log can show what the other policy would, and propensities are true."""
    users = int(trials.user_R.max(initial=-1)) + 1
    if users < max(LEAST_USERS, FOLDS):
        raise ExperimentError(
            f"the lists are those of {users} users, fewer than {LEAST_USERS}",
            where="off-policy estimate",
            fix="log more",
        )
    excess_U = np.bincount(trials.user_R, weight_R - 1, minlength=users)
    mean = 1 + float(excess_U.sum() / len(weight_R))
    error = float(np.sqrt(((excess_U - excess_U.mean()) ** 2).sum() * users / (users - 1)) / len(weight_R))
    if abs(mean - 1) <= max(_OFF, _SIGMAS * error):
        return
    if mean < 1:
        raise ExperimentError(
            f"about {1 - mean:.0%} of what this policy would show is never shown in the log: support is lacking",
            where="off-policy estimate",
            fix="explore in what is logged (policy epsilon), or ask for a policy that stays within its pool",
        )
    raise ExperimentError(
        f"weights are {mean:.2f} on average where they must be 1: propensities or targets are wrong",
        where="off-policy estimate",
        fix="log the probability of each item at its place, and give targets for the same places",
    )
