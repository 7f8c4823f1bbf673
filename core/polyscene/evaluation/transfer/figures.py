"""The figures of a matrix: the main metric of each scenario, by row and seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from polyscene.evaluation.transfer.differences import Measured
from polyscene.evaluation.transfer.results import Found
from polyscene.report.summary import lower_is_better


@dataclass(frozen=True)
class Headline:
    """What a scenario's column shows: the first figure of its results, as in other reports."""

    view: str
    population: str
    metric: str

    @property
    def lower_is_better(self) -> bool:
        return lower_is_better(self.metric)


class Figures:
    """Figures of the main metrics.

    Args:
        found: results of models and controls.
        population: whose figures, such as ``cold``; empty for the first population of each scenario.

    Attributes:
        headlines: the main metric of each scenario that has the population.
        populations: all populations, in the order of the results.
    """

    def __init__(self, found: Iterable[Found], population: str = "") -> None:
        self.found = {(one.label, one.seed): one for one in found}
        self.headlines: dict[str, Headline] = {}
        self.populations: dict[str, None] = {}
        for one in self.found.values():
            for row in one.results if one.seed is not None else ():
                self.populations[row["population"]] = None
                if population in ("", row["population"]):
                    headline = Headline(row["view"], row["population"], row["metric"])
                    self.headlines.setdefault(row["scenario"], headline)

    def of(self, label: str, scenario: str) -> dict[int | None, Measured]:
        """The figures of a row in a scenario, by seed."""
        return {
            seed: Measured(row["value"], row["standard_error"])
            for (name, seed), one in self.found.items()
            for row in one.results
            if name == label and row["scenario"] == scenario and self._is_main(row)
        }

    def users(self, scenario: str) -> int:
        """The users behind a column."""
        counts = (
            row["users"] for one in self.found.values() for row in one.results if self._is_main(row, scenario)
        )
        return next(counts, 0)

    def validation(self, label: str, scenario: str) -> dict[int, float]:
        """The score on validation rows, by seed."""
        return {
            seed: one.validation[scenario]
            for (name, seed), one in self.found.items()
            if name == label and seed is not None and scenario in one.validation
        }

    def _is_main(self, row: dict[str, Any], scenario: str = "") -> bool:
        headline = self.headlines.get(row["scenario"])
        return (not scenario or row["scenario"] == scenario) and headline == Headline(
            row["view"], row["population"], row["metric"]
        )


def over_seeds(figures: dict[int | None, Measured]) -> dict[str, Any]:
    """Mean and spread of figures: the standard deviation over seeds, or the standard error over users of one."""
    values = [figure.value for figure in figures.values()]
    spread = stdev(values) if len(values) > 1 else next(iter(figures.values())).standard_error
    return {"mean": fmean(values), "spread": spread, "seeds": sum(seed is not None for seed in figures)}
