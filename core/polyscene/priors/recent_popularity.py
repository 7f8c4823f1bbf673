"""Recent popularity: how many people had an item in the last weeks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene.config.validate import bounded
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import DataError
from polyscene.priors.counting import SECONDS_PER_DAY, counted, log_above
from polyscene.priors.prior import Prior, PriorConfig, PriorData
from polyscene.registry.components import Component


@dataclass
class RecentPopularityConfig(PriorConfig):
    """Options of the recent popularity prior.

    Args:
        days: length of the time span that ends with the last counted row.
    """

    days: float = bounded(56.0, at_least=1)


class RecentPopularity(Prior):
    """``log(1 + n_i)`` of the n users who had item i in the time span, a user counting once.

    The span ends with the last counted row, and stays where it is when that very row is left out.

    Raises:
        DataError: the rows have no times.
    """

    config: RecentPopularityConfig
    count_N: Tensor

    def __init__(self, config: RecentPopularityConfig, data: PriorData) -> None:
        super().__init__(config, data)
        time_R = data.events.time_R  # of all rows: where labels are few, those may well have happened at once
        if len(time_R) and bool(time_R.min() == time_R.max()):
            raise DataError(
                "prior 'recent_popularity' needs times, and all rows have the same",
                where=data.where,
                fix="leave it out: the ranking task's popularity bias counts all rows, or choose 'linear'",
            )
        self.register_buffer("count_N", torch.zeros(data.events.n_items), persistent=False)
        self.register_buffer("since", torch.zeros((), dtype=torch.int64), persistent=False)
        self.since: Tensor

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        user, row = (torch.from_numpy(part).to(events.item_R.device) for part in events.rows(phases))
        time = events.time_R[row]
        if len(time):
            self.since = time.max() - int(self.config.days * SECONDS_PER_DAY)
        recent = time > self.since
        # A user and an item make one number, so that a pair is counted once.
        pair = torch.unique(user[recent] * events.n_items + events.item_R[row[recent]].long())
        self.count_N = torch.bincount(pair % events.n_items, minlength=events.n_items).float()

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        count_QN = self.count_N.expand(len(past.user_B), -1)
        if hidden is None:
            return log_above(count_QN, 1.0)
        # Who had the item recently at another time as well still counts; a second hidden row of it adds nothing.
        told_QH = counted(hidden) & (hidden.time_BT > self.since)
        kept_QL = counted(past) & (past.time_BT > self.since)
        n_items = len(self.count_N)
        gone_QN = torch.zeros_like(count_QN).scatter_reduce(1, hidden.item_BT, told_QH.float(), "amax")
        still_QN = torch.zeros_like(count_QN).scatter_reduce(
            1, past.item_BT.clamp(max=n_items - 1), kept_QL.float(), "amax"
        )
        return log_above(count_QN - gone_QN * (1 - still_QN), 1.0)


COMPONENT = Component("prior", "recent_popularity", RecentPopularity, RecentPopularityConfig)
