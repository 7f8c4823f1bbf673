"""What must hold for every metric of rankings: a value per list, none without targets, better lists get more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from polyscene.data.build import build_events
from polyscene.data.events import Events
from polyscene.data.splits.base import SplitConfig
from polyscene.data.splits.leave_one_out import LeaveOneOut
from polyscene.evaluation.metrics.metric import RankingMetric
from polyscene.evaluation.ranking import Ranking, rank_targets
from polyscene.retrieval.pairs import Pairs
from polyscene.testing import shops
from polyscene.testing.state import assert_same
from polyscene.testing.suite import ComponentSuite

TARGETS = ((4, 17), (9,), (), (0, 1, 2), (29,))


class MetricSuite(ComponentSuite):
    """Tests of a metric on five rankings of 30 items, one of which asks for nothing.

    Attributes:
        rewards_targets: whether a list with its targets in front must get more than one with them at the end.

    Example:
        >>> from polyscene import Component
        >>> from polyscene.evaluation.metrics.components import CutConfig, Recall
        >>> class TestRecall(MetricSuite):
        ...     component = Component("metric", "recall", Recall, CutConfig)
    """

    kind = "metric"
    rewards_targets: ClassVar[bool] = True

    def events(self) -> Events:
        """40 people and 30 items, of whose last rows some are held out."""
        tables = shops.load(None, None)
        return build_events(tables, LeaveOneOut(SplitConfig()).split(tables), shops.polyscene_scenarios()[0])

    def ranking(self, rows: Sequence[int] = range(len(TARGETS)), lift: float = 0.0) -> Ranking:
        """Rankings by random scores, to which ``lift`` is added for targets."""
        scores_BN = torch.randn(len(TARGETS), 30, generator=torch.Generator().manual_seed(0))
        for row, items in enumerate(TARGETS):
            scores_BN[row, list(items)] += lift
        pairs = [(at, item) for at, row in enumerate(rows) for item in TARGETS[row]]
        row_M, item_M = (torch.tensor([pair[side] for pair in pairs], dtype=torch.int64) for side in (0, 1))
        return rank_targets(scores_BN[list(rows)], Pairs(row_M, item_M), user_B=torch.tensor(list(rows)), top=10)

    def values(self, ranking: Ranking) -> Tensor:
        """The metric's values ``[B]``."""
        metric: RankingMetric = self.made()
        return metric(ranking, self.events())

    def test_one_value_for_each_list(self) -> None:
        values_B = self.values(self.ranking())
        assert values_B.is_floating_point(), "values must be floating point, with NaN where there is none"
        assert not values_B.isinf().any(), "a value is infinite"
        asked_B = torch.tensor([bool(items) for items in TARGETS])
        assert values_B[asked_B].isfinite().all(), "a list whose targets can be ranked has no value"

    def test_who_asks_for_nothing_does_not_count(self) -> None:
        if self.rewards_targets:
            value = self.values(self.ranking())[TARGETS.index(())]
            assert value.isnan(), f"a list without targets gets {value}: that moves the mean; give NaN"

    def test_a_list_does_not_depend_on_the_others(self) -> None:
        together = self.values(self.ranking())
        for rows in ([3], [4, 0]):
            alone = self.values(self.ranking(rows))
            assert_same(alone, together[rows], "a list's value changes with the lists beside it", rtol=0)

    def test_targets_in_front_are_worth_more(self) -> None:
        if self.rewards_targets:
            first, last = (self.values(self.ranking(lift=lift)).nanmean() for lift in (99.0, -99.0))
            assert first > last, f"targets in front get {first}, at the end {last}"
            assert first >= self.values(self.ranking()).nanmean()
