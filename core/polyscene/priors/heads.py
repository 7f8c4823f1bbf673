"""Heads: the best items of each part of a score, which are all that decides about the top ten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.priors.occurrence import TERMS

# Best items of each part that a row is fitted on: further down nothing decides about the top ten.
_HEAD = 100
# Targets of a row that are fitted, at most.
_TARGETS = 32
_CUT = 10


@dataclass(frozen=True)
class Heads:
    """Q rows and the C items that are at the head of some part's ranking.

    Args:
        part_GQC: what the network, the priors and the terms of occurrence say of them.
        out_QC: bool, what is left out of the ranking, and what only fills up.
        target_QT: places of a row's targets among the C items, first those that there are.
        found_Q: how many there are.
        ideal_Q: what a perfect top ten would gain.
        short_Q: how short each history is, by which gates lie between their ends.
    """

    part_GQC: Tensor
    out_QC: Tensor
    target_QT: Tensor
    found_Q: Tensor
    ideal_Q: Tensor
    short_Q: Tensor

    @classmethod
    def of(
        cls, network_QN: Tensor, prior_PQN: Tensor, out_QN: Tensor, target_QN: Tensor, short_Q: Tensor
    ) -> Heads:
        """The heads of full rankings.

        Args:
            network_QN, prior_PQN: scores of all items; the last of ``prior_PQN`` are the terms of occurrence.
            out_QN: bool, what is left out of the ranking.
            target_QN: bool, what should be found.
            short_Q: how short each history is, see :meth:`PriorMixture.shortness`.
        """
        lowest, n_items = torch.finfo(network_QN.dtype).min, network_QN.shape[1]
        part_GQN = torch.cat([network_QN.unsqueeze(0), prior_PQN])
        # Without the terms, which order nothing by themselves.
        ordering_GQN = part_GQN[: -len(TERMS)].masked_fill(out_QN, lowest)
        item_QC = ordering_GQN.topk(min(_HEAD, n_items), dim=2, sorted=False).indices
        item_QC = item_QC.permute(1, 0, 2).flatten(1).sort(dim=1).values
        twice_QC = torch.zeros_like(item_QC, dtype=torch.bool)
        twice_QC[:, 1:] = item_QC[:, 1:] == item_QC[:, :-1]
        gone_QC = twice_QC | out_QN.gather(1, item_QC)
        # What only fills up goes to the end, and no more of it is kept than the longest row needs.
        kept_QC = gone_QC.long().argsort(dim=1, stable=True)[:, : max(1, int((~gone_QC).sum(dim=1).max()))]
        item_QC, gone_QC = item_QC.gather(1, kept_QC), gone_QC.gather(1, kept_QC)
        target_QC = target_QN.gather(1, item_QC) & ~gone_QC
        found_Q = target_QC.sum(dim=1).clamp(max=_TARGETS)
        ideal_T = _gains(torch.arange(_CUT, device=item_QC.device))
        return cls(
            part_GQN.gather(2, item_QC.expand(len(part_GQN), -1, -1)),
            gone_QC,
            target_QC.float().topk(max(1, int(found_Q.max())), dim=1).indices,
            found_Q,
            ideal_T.cumsum(0)[(target_QN & ~out_QN).sum(dim=1).clamp(1, _CUT) - 1],
            short_Q,
        )

    @classmethod
    def join(cls, heads: Sequence[Heads]) -> Heads:
        """All rows as one, those with most targets first."""
        items = max(one.out_QC.shape[1] for one in heads)
        targets = max(one.target_QT.shape[1] for one in heads)
        found_Q = torch.cat([one.found_Q for one in heads])
        first_Q = found_Q.argsort(descending=True, stable=True)

        def joined(name: str, width: int, fill: float) -> Tensor:
            parts = [getattr(one, name) for one in heads]
            wide = [functional.pad(part, (0, width - part.shape[-1]), value=fill) for part in parts]
            return torch.cat(wide, dim=-2).index_select(-2, first_Q)

        ideal_Q, short_Q = (torch.cat([getattr(one, name) for one in heads]) for name in ("ideal_Q", "short_Q"))
        return cls(
            joined("part_GQC", items, 0.0),
            joined("out_QC", items, True),
            joined("target_QT", targets, 0),
            found_Q[first_Q],
            ideal_Q[first_Q],
            short_Q[first_Q],
        )

    def ndcg(self, score_QC: Tensor) -> float:
        """Mean NDCG@10 of some scores, in which what is left out is the lowest; rows with most targets come first.

        A target stands in the middle of items with the same score.
        """
        gain_Q = torch.zeros_like(self.ideal_Q)
        # Rows that have a first target, those that have a second one, and so on: work grows with targets.
        rows_T = (self.found_Q.unsqueeze(1) > torch.arange(self.target_QT.shape[1], device=gain_Q.device)).sum(
            dim=0
        )
        for place, rows in enumerate(rows_T.tolist()):
            score_RC = score_QC[:rows]
            score_R1 = score_RC.gather(1, self.target_QT[:rows, place : place + 1])
            # With a items above, b below and e others with the same score this is a + e / 2, as a + b + e = C - 1.
            # A sum of signs is three times as fast as comparing twice.
            above_R = ((score_RC - score_R1).sign().sum(dim=1) + score_RC.shape[1] - 1) / 2
            gain_Q[:rows] += torch.where(above_R < _CUT, _gains(above_R), 0.0)
        return float((gain_Q / self.ideal_Q).mean()) if len(gain_Q) else 0.0


def _gains(above: Tensor) -> Tensor:
    """What a target is worth below so many items."""
    return 1 / torch.log2(2.0 + above)
