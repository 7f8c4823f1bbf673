"""What is measured of one method, for those who keep more of it than its means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from polyscene.data.scenario import View
from polyscene.evaluation.metrics import Summary
from polyscene.evaluation.ranking import Ranking
from polyscene.evaluation.requests import Population
from polyscene.evaluation.subject import Subject


@dataclass(frozen=True)
class Measured:
    """One method's rankings of one population's requests.

    Args:
        subject: whose requests.
        view: which targets are asked for.
        population: which requests.
        method: whose rankings.
        ranking: a row for each of ``subject.requests(population, view)``, in that order.
        summaries: the means by metric.
    """

    subject: Subject
    view: View
    population: Population
    method: str
    ranking: Ranking
    summaries: Mapping[str, Summary]

    @property
    def main(self) -> bool:
        """Whether this is of the scenario's first view, which stands for it."""
        return self.view.name == self.subject.scenario.views[0].name


Keep = Callable[[Measured], None]


def keep_nothing(measured: Measured) -> None:
    """Forgets everything but the means."""
