"""Fitting: the gates of a mixture that rank some rows best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import torch
from torch import Tensor

from polyscene.priors.mixture import LONG, PRIORS_ONLY, SHORT, PriorMixture
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


@dataclass(frozen=True)
class Asked:
    """Q rows and the C items that are at the head of some part's ranking.

    Args:
        network_QC, prior_PQC: what network and priors say of them.
        out_QC: bool, what is left out of the ranking, and what only fills up.
        target_QT: places of targets among the C items.
        found_QT: bool, which targets there are.
        ideal_Q: what a perfect top ten would gain.
        short_Q: how short each history is, by which gates lie between their ends.
    """

    network_QC: Tensor
    prior_PQC: Tensor
    out_QC: Tensor
    target_QT: Tensor
    found_QT: Tensor
    ideal_Q: Tensor
    short_Q: Tensor


def at_head(
    network_QN: Tensor,
    prior_PQN: Tensor,
    out_QN: Tensor,
    target_QN: Tensor,
    short_Q: Tensor,
) -> Asked:
    """What is fitted of full rankings: scores of the best items of each part, and targets among them.

    Args:
        network_QN, prior_PQN: scores of all items; the last of ``prior_PQN`` are the terms of occurrence.
        out_QN: bool, what is left out of the ranking.
        target_QN: bool, what should be found.
        short_Q: how short each history is, see :meth:`PriorMixture.shortness`.
    """
    lowest, n_items = torch.finfo(network_QN.dtype).min, network_QN.shape[1]
    # Without the terms, which order nothing by themselves.
    parts_GQN = torch.cat([network_QN.unsqueeze(0), prior_PQN[: -len(TERMS)]])
    best = parts_GQN.masked_fill(out_QN, lowest).topk(min(_HEAD, n_items), dim=2).indices
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
        short_Q,
    )


def fit_gates(mixture: PriorMixture, view: str, parts: list[Asked], short: Sequence[Asked] = ()) -> None:
    """Fit the gates of one view to rows, in place: those of priors alone, and those with the network.

    The second fit starts where the gates are and, once more, at priors alone with the network nearly closed; what
    has the better NDCG stays. So a network that adds nothing takes nothing away either.

    Args:
        mixture: the mixture.
        view: the view.
        parts: rows with all that is known of their users; both ends of the gates are fitted to them as one.
        short: rows with little of it; then the end of short histories is fitted to these.
    """
    begun = mixture.parameters_of(view)
    with mixture.scoring(PRIORS_ONLY):
        beside, _ = _searched(mixture, mixture.parameters_of(view), parts)
        mixture.set_parameters(view, _with_short(mixture, beside, short))
    beside[:, 0] = _NEARLY_CLOSED
    found = [_searched(mixture, start, parts) for start in (begun, beside)]
    mixture.set_parameters(view, _with_short(mixture, max(found, key=itemgetter(1))[0], short))


def _with_short(mixture: PriorMixture, value_EG: Tensor, short: Sequence[Asked]) -> Tensor:
    """The parameters with their short end fitted, the other held."""
    return _searched(mixture, value_EG, short, ends=(SHORT,))[0] if short else value_EG


def _searched(
    mixture: PriorMixture, begun_EG: Tensor, parts: Sequence[Asked], ends: tuple[int, ...] = (SHORT, LONG)
) -> tuple[Tensor, float]:
    """The best parameters that a compass search finds from some on, and their NDCG.

    Of all single steps up and down, at some ends together, it takes the best, and halves them when none is
    better [Kolda, Lewis and Torczon, SIAM Review 2003]. NDCG has no slope to follow, and smooth forms of it led
    elsewhere.
    """
    value_EG, step = begun_EG.detach().clone(), _FIRST
    best = true_ndcg(mixture, value_EG, parts)
    eye_SG = torch.eye(value_EG.shape[1]).to(value_EG)
    steps_SEG = torch.zeros(2 * len(eye_SG), *value_EG.shape).to(value_EG)
    for end in ends:
        steps_SEG[:, end] = torch.cat([eye_SG, -eye_SG])
    while step >= _LAST:
        tried_SEG = value_EG + step * steps_SEG
        found, tried_EG = max(
            ((true_ndcg(mixture, one_EG, parts), one_EG) for one_EG in tried_SEG), key=itemgetter(0)
        )
        if found > (1 + _GAIN) * best:
            value_EG, best = tried_EG, found
        else:
            step /= 2
    return value_EG, best


@torch.no_grad()
def true_ndcg(mixture: PriorMixture, value_EG: Tensor, parts: Sequence[Asked]) -> float:
    """Mean NDCG@10 of the rows; a target stands in the middle of items with the same score."""
    total, rows = 0.0, 0
    for part in parts:
        score_QC = mixture(part.network_QC, part.prior_PQC, mixture.gates_of(value_EG, part.short_Q))
        score_QC = score_QC.masked_fill(part.out_QC, torch.finfo(score_QC.dtype).min)
        # The best are enough: who is below them, or among so many with one score, is not in the top ten.
        best_Q1K = score_QC.topk(min(_NEAR, score_QC.shape[1]), dim=1).values.unsqueeze(1)
        score_QT1 = score_QC.gather(1, part.target_QT).unsqueeze(2)
        above_QT = (best_Q1K > score_QT1).sum(dim=2) + ((best_Q1K == score_QT1).sum(dim=2) - 1) / 2
        gain_QT = torch.where(part.found_QT & (above_QT < _CUT), 1 / torch.log2(2.0 + above_QT), 0.0)
        total += float((gain_QT.sum(dim=1) / part.ideal_Q).sum())
        rows += len(part.out_QC)
    return total / max(1, rows)
