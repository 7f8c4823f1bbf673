"""The direct model of doubly robust estimates: ridge regression, never asked about users that it has seen."""

from __future__ import annotations

import numpy as np

from polyscene.experiments.offpolicy.trials import Trials

FOLDS = 5
_RIDGE = 1.0


def direct_values(trials: Trials) -> tuple[np.ndarray, np.ndarray]:
    """Expected reward of what was shown, and of what the other policy would have shown, for each of R rows.

    Users are dealt to five folds; the model of a fold learns from the others [cross-fitting, Chernozhukov et al.,
    2018]. As it is linear, the mean of the features gives the mean of the rewards, so candidates that were not
    shown need not be kept.
    """
    feature_Rf, mean_Rf = trials.feature_Rf, trials.mean_Rf
    assert feature_Rf is not None, "asked for with features only"
    assert mean_Rf is not None, "asked for with features only"
    shown_R, other_R = np.zeros(len(feature_Rf)), np.zeros(len(feature_Rf))
    one_Rf, mean_Rf = _with_constant(feature_Rf), _with_constant(mean_Rf)
    fold_R = trials.user_R % FOLDS
    for fold in range(FOLDS):
        held_R = fold_R == fold
        learned_Lf, reward_L = one_Rf[~held_R], trials.reward_R[~held_R]
        penalty_ff = _RIDGE * np.eye(one_Rf.shape[1])
        penalty_ff[-1, -1] = 1e-9  # the constant is free
        weight_f = np.linalg.solve(learned_Lf.T @ learned_Lf + penalty_ff, learned_Lf.T @ reward_L)
        shown_R[held_R], other_R[held_R] = one_Rf[held_R] @ weight_f, mean_Rf[held_R] @ weight_f
    return shown_R, other_R


def _with_constant(feature_Rf: np.ndarray) -> np.ndarray:
    return np.concatenate([feature_Rf, np.ones((len(feature_Rf), 1))], axis=1)
