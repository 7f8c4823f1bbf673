"""The subject of an evaluation: one scenario's requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.scenario import Scenario, View
from polyscene.evaluation.metrics.metric import RankingMetric
from polyscene.evaluation.requests import Population, Requests, triple_requests, user_requests

_BATCH = 256


@dataclass(frozen=True)
class Subject:
    """What is evaluated: one scenario's requests.

    Args:
        name: the scenario.
        scenario: its views.
        events: its rows.
        from_history: whether requests are users with a past; otherwise facts with a relation.
        protocol: split and ranking rule in words.
        own_item_U: where items are people, the item that each user is.
        ranked: whether items are ranked; otherwise rows are judged one by one.
        metrics: what is measured of rankings beside what always is, by name.
    """

    name: str
    scenario: Scenario
    events: Events
    from_history: bool
    protocol: str
    own_item_U: Tensor | None = None
    ranked: bool = True
    metrics: Mapping[str, RankingMetric] = field(default_factory=dict)

    def requests(self, population: Population, view: View, limit: int = 0) -> Iterator[Requests]:
        """The requests of a population in batches, always in one order; ``limit`` takes evenly spaced ones."""
        if self.from_history:
            return user_requests(
                self.events,
                population,
                mask_history=view.mask_history,
                batch=_BATCH,
                limit=limit,
                own_item_U=self.own_item_U,
            )
        return triple_requests(self.events, population, batch=_BATCH, limit=limit)
