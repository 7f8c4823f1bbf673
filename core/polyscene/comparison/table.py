"""The table of a comparison: methods by figures, with their costs and their tests against one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean, stdev

import numpy as np

from polyscene.comparison.runs import Run
from polyscene.comparison.significance import PairedTest
from polyscene.report.summary import POPULATION_TITLES, lower_is_better


@dataclass(frozen=True)
class Column:
    """One figure of one scenario."""

    scenario: str
    view: str
    population: str
    metric: str

    @property
    def title(self) -> str:
        """``video cold, new ndcg@10``: what is the same in most columns is left out."""
        population = "" if self.population == "warm" else f" {self.population.replace('_', ' ')}"
        view = "" if self.view == "all" else f", {self.view.replace('_', ' ')}"
        return f"{self.scenario}{population}{view} {self.metric}"

    @property
    def spoken(self) -> str:
        """The same in full."""
        population = POPULATION_TITLES.get(self.population, self.population.replace("_", " "))
        return f"{self.scenario}, {population}, {self.view.replace('_', ' ')}, {self.metric}"

    @property
    def sign(self) -> int:
        """-1 where lower is better."""
        return -1 if lower_is_better(self.metric) else 1


@dataclass(frozen=True)
class Entry:
    """One line of the table.

    Args:
        label: its name.
        method: ``joint`` and so on.
        settings: what sets its runs apart, by key.
        runs: what it was measured in.
        figures: by column and seed.
        requests: values of single requests, by column and seed.
        cost: by the keys of :data:`polyscene.comparison.costs.COSTS`.
    """

    label: str
    method: str
    settings: Mapping[str, str]
    runs: tuple[Run, ...]
    figures: Mapping[Column, Mapping[int, float]]
    requests: Mapping[Column, Mapping[int, np.ndarray]] = field(default_factory=dict, repr=False)
    cost: Mapping[str, float] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """Whether the runs are about it; otherwise it is a control."""
        return any(run.own_method == self.method for run in self.runs)

    def mean(self, column: Column) -> float | None:
        values = self.figures.get(column)
        return fmean(values.values()) if values else None

    def spread(self, column: Column) -> float | None:
        """The standard deviation over seeds; None for one seed, and for counts, which know no seed."""
        values = list(self.figures.get(column, {}).values())
        return stdev(values) if len(set(values)) > 1 else None


@dataclass(frozen=True)
class Comparison:
    """Entries by columns.

    Args:
        columns: the figures, in the order of the runs' results.
        entries: the lines.
        reference: the label of the entry that the others are tested against.
        tests: by label and column.
        unfinished: why runs have no results, by directory.
    """

    columns: list[Column]
    entries: list[Entry]
    reference: str = ""
    tests: Mapping[tuple[str, Column], PairedTest] = field(default_factory=dict)
    unfinished: Mapping[str, str] = field(default_factory=dict)

    @property
    def headlines(self) -> list[Column]:
        """The first column of each scenario."""
        return list({column.scenario: column for column in reversed(self.columns)}.values())[::-1]

    @property
    def averaged(self) -> list[Column]:
        """The headlines that a mean over scenarios is of: several, all of one metric; not all domains together."""
        together = {column.scenario.partition("-")[0] for column in self.headlines if "-" in column.scenario}
        found = [column for column in self.headlines if column.scenario not in together]
        return found if len(found) > 1 and len({column.metric for column in found}) == 1 else []

    def mean(self, entry: Entry) -> float | None:
        """The mean over scenarios; None where the entry lacks one of them."""
        means = [entry.mean(column) for column in self.averaged]
        known = [mean for mean in means if mean is not None]
        return fmean(known) if known and len(known) == len(means) else None

    def best(self, column: Column) -> set[str]:
        """The labels with the best figure; empty if there is nothing to compare or all are equal."""
        means = {entry.label: mean for entry in self.entries if (mean := entry.mean(column)) is not None}
        if len(set(means.values())) < 2:
            return set()
        top = max(column.sign * mean for mean in means.values())
        return {label for label, mean in means.items() if column.sign * mean == top}

    @property
    def seeds(self) -> list[int]:
        """All seeds behind the figures."""
        return sorted({seed for entry in self.entries for values in entry.figures.values() for seed in values})
