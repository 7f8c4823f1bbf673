"""Fitting: the gates of a mixture that rank some rows best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

import torch
from torch import Tensor

from polyscene.priors.heads import Heads
from polyscene.priors.mixture import LONG, PRIORS_ONLY, SHORT, PriorMixture

# Logarithm of the network's gate where it starts nearly closed.
_NEARLY_CLOSED = -3.0
# The first step of the search, in logarithms of gates and in weights, and the last.
_FIRST, _LAST = 1.0, 0.125
# By so much of itself NDCG must grow for a step to be taken: what is less is noise.
_GAIN = 0.002


def fit_gates(mixture: PriorMixture, view: str, usual: Sequence[Heads], short: Sequence[Heads] = ()) -> None:
    """Fit the gates of one view to rows, in place: those of priors alone, and those with the network.

    The second fit starts where the gates are and, once more, at priors alone with the network nearly closed; what
    has the better NDCG stays. So a network that adds nothing takes nothing away either.

    Args:
        mixture: the mixture.
        view: the view.
        usual: rows with all that is known of their users; both ends of the gates are fitted to them as one.
        short: rows with little of it; then the end of short histories is fitted to these.
    """
    known, little = Heads.join(usual), Heads.join(short) if short else None
    begun = mixture.parameters_of(view)
    with mixture.scoring(PRIORS_ONLY):
        beside, _ = _searched(mixture, mixture.parameters_of(view), known)
        mixture.set_parameters(view, _with_short(mixture, beside, little))
    beside[:, 0] = _NEARLY_CLOSED
    found = [_searched(mixture, start, known) for start in (begun, beside)]
    mixture.set_parameters(view, _with_short(mixture, max(found, key=itemgetter(1))[0], little))


def _with_short(mixture: PriorMixture, value_EG: Tensor, short: Heads | None) -> Tensor:
    """The parameters with their short end fitted, the other held."""
    return value_EG if short is None else _searched(mixture, value_EG, short, ends=(SHORT,))[0]


def _searched(
    mixture: PriorMixture, begun_EG: Tensor, heads: Heads, ends: tuple[int, ...] = (SHORT, LONG)
) -> tuple[Tensor, float]:
    """The best parameters that a compass search finds from some on, and their NDCG.

    Of all single steps up and down, at some ends together, it takes the best, and halves them when none is
    better [Kolda, Lewis and Torczon, SIAM Review 2003]. NDCG has no slope to follow, and smooth forms of it led
    elsewhere.
    """
    value_EG, step = begun_EG.detach().clone(), _FIRST
    best = _ndcg(mixture, value_EG, heads)
    while step >= _LAST:
        found, tried_EG = max(_steps(mixture, value_EG, heads, step, ends), key=itemgetter(0))
        if found > (1 + _GAIN) * best:
            value_EG, best = tried_EG, found
        else:
            step /= 2
    return value_EG, best


@torch.no_grad()
def _steps(
    mixture: PriorMixture, value_EG: Tensor, heads: Heads, step: float, ends: tuple[int, ...]
) -> Iterator[tuple[float, Tensor]]:
    """NDCG after each single step, and where it leads."""
    gate_QG = mixture.gates_of(value_EG, heads.short_Q)
    score_QC = _scores(mixture, gate_QG, heads)
    # Of priors alone the network is no part.
    for part in range(int(mixture.part == PRIORS_ONLY), value_EG.shape[1]):
        for moved in (step, -step):
            tried_EG = value_EG.clone()
            tried_EG[list(ends), part] += moved
            # One gate moves, so the scores move by one part.
            by_Q1 = mixture.gates_of(tried_EG, heads.short_Q)[:, part : part + 1] - gate_QG[:, part : part + 1]
            yield heads.ndcg(torch.addcmul(score_QC, by_Q1, heads.part_GQC[part])), tried_EG


def true_ndcg(mixture: PriorMixture, value_EG: Tensor, rows: Sequence[Heads]) -> float:
    """Mean NDCG@10 of some rows under some gates and weights."""
    return _ndcg(mixture, value_EG, Heads.join(rows))


@torch.no_grad()
def _ndcg(mixture: PriorMixture, value_EG: Tensor, heads: Heads) -> float:
    return heads.ndcg(_scores(mixture, mixture.gates_of(value_EG, heads.short_Q), heads))


def _scores(mixture: PriorMixture, gate_QG: Tensor, heads: Heads) -> Tensor:
    """Scores ``[Q, C]``, the lowest where an item is left out."""
    network_QC, prior_PQC = heads.part_GQC[0], heads.part_GQC[1:]
    score_QC = mixture(network_QC, prior_PQC, gate_QG)
    # Half of the lowest, so that no step from there leads out of the range.
    return score_QC.masked_fill(heads.out_QC, torch.finfo(score_QC.dtype).min / 2)
