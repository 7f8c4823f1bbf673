"""Result rows arranged for reading: one block per population and view, methods by metrics, and what follows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

METHOD_TITLES = {
    "joint": "joint model",
    "joint_hard": "joint, hard routing",
    "joint_soft": "joint, soft routing",
    "single": "single-scenario model",
    "adapted": "adapted model",
    "id_only": "ids only",
    "text_only": "text only",
    "item_knn": "item-kNN",
    "user_knn": "user-kNN",
    "ease": "EASE",
    "als": "ALS",
    "adamic_adar": "Adamic-Adar",
    "content": "content only",
}
POPULATION_TITLES = {
    "warm": "warm items",
    "cold": "cold items",
    "cold_all": "cold items, ranked among all",
    "cold_user": "cold users",
    "cold_both": "cold users, cold items",
}
LOWER_IS_BETTER = {"log_loss", "logloss", "ece", "rmse", "mae", "mse", "gini", "mean_rank", "popularity_bias"}
ROUTES = ("hard", "soft")
CLEAR = 2.0  # standard errors of a difference from which it is called clear


@dataclass(frozen=True)
class Cell:
    """A figure: the mean over seeds, with its spread.

    ``spread`` is the standard deviation over seeds where there are several, otherwise the standard error over
    users, or ``None`` where neither is known.
    """

    value: float
    spread: float | None
    users: int
    seeds: tuple[int, ...]


@dataclass
class Block:
    """All figures of one scenario, protocol, view and population."""

    scenario: str
    protocol: str
    view: str
    population: str
    methods: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)

    @property
    def title(self) -> str:
        population = POPULATION_TITLES.get(self.population, self.population.replace("_", " "))
        return population if self.view == "all" else f"{population}, {self.view.replace('_', ' ')}"

    @property
    def short_title(self) -> str:
        population = self.population.replace("_", " ")
        return population if self.view == "all" else f"{population}, {self.view.replace('_', ' ')}"

    @property
    def users(self) -> int:
        """Users behind the first metric of the run's own model."""
        return next(iter(self.cells.values())).users

    def best(self, metric: str) -> set[str]:
        """The methods with the best value of a metric; empty if there is nothing to compare or all are equal."""
        values = {
            method: self.cells[method, metric].value for method in self.methods if (method, metric) in self.cells
        }
        if len(set(values.values())) < 2:
            return set()
        top = (min if lower_is_better(metric) else max)(values.values())
        return {method for method, value in values.items() if value == top}

    def routed(self) -> dict[str, str]:
        """The run's own model where it is not told the scenario of a row: method and how it is routed."""
        variants = {f"{self.methods[0]}_{route}": route for route in ROUTES}
        return {method: route for method, route in variants.items() if method in self.methods}

    def rival(self, metric: str) -> str:
        """The best method other than the run's own (the first, however routed); empty if there is no other."""
        own = {self.methods[0], *self.routed()}
        others = [method for method in self.methods if method not in own and (method, metric) in self.cells]
        sign = -1 if lower_is_better(metric) else 1
        return max(others, key=lambda method: sign * self.cells[method, metric].value, default="")


def blocks(results: Iterable[Mapping[str, Any]]) -> list[Block]:
    """Result rows as blocks, in the order in which scenarios, populations, methods and metrics first appear."""
    found: dict[tuple[str, ...], Block] = {}
    rows: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in results:
        key = (row["scenario"], row["protocol"], row["view"], row["population"])
        block = found.setdefault(key, Block(*key))
        for names, name in ((block.methods, row["method"]), (block.metrics, row["metric"])):
            if name not in names:
                names.append(name)
        rows.setdefault((*key, row["method"], row["metric"]), []).append(row)
    for (*key, method, metric), same in rows.items():
        found[tuple(key)].cells[method, metric] = _cell(same)
    scenarios = list(dict.fromkeys(block.scenario for block in found.values()))
    return sorted(found.values(), key=lambda block: scenarios.index(block.scenario))


def method_title(method: str) -> str:
    return METHOD_TITLES.get(method, method.replace("_", " "))


def lower_is_better(metric: str) -> bool:
    return metric.partition("@")[0] in LOWER_IS_BETTER


@dataclass(frozen=True)
class Verdict:
    """How the run's own model stands against the best other method on a block's first metric."""

    metric: str
    own: str
    rival: str
    values: tuple[float, float]
    word: str

    @property
    def short(self) -> str:
        return f"{self.word} {method_title(self.rival)}"

    def __str__(self) -> str:
        figures = f"{self.metric} {self.values[0]:.4f} against {self.values[1]:.4f}"
        own, rival = method_title(self.own), method_title(self.rival)
        return f"{own} is {self.word} the best other method, {rival} ({figures})"


def verdict(block: Block) -> Verdict | None:
    """Compares the first method of a block, the run's own, with the best of the others; ``None`` without others.

    A difference is clear from two standard errors on, taking the two errors as independent, which overstates the
    noise of methods measured on the same users.
    """
    metric = block.metrics[0]
    own, rival = block.methods[0], block.rival(metric)
    if not rival or (own, metric) not in block.cells:
        return None
    lower = lower_is_better(metric)
    a, b = block.cells[own, metric], block.cells[rival, metric]
    difference = b.value - a.value if lower else a.value - b.value
    better, worse = ("better than", "worse than") if lower else ("above", "below")
    if difference == 0:
        word = "equal to"
    elif a.spread is None or b.spread is None:
        word = better if difference > 0 else worse
    elif abs(difference) <= CLEAR * math.hypot(a.spread, b.spread):
        word = "within noise of"
    else:
        word = f"clearly {better if difference > 0 else worse}"
    return Verdict(metric, own, rival, (a.value, b.value), word)


def routing_statement(block: Block) -> str:
    """What is lost on a block's first metric where the router has to recognize the scenario; empty without one."""
    metric, own = block.metrics[0], block.methods[0]
    if not block.routed() or (own, metric) not in block.cells:
        return ""
    value = block.cells[own, metric].value
    found = [
        f"{route} routing {other:.4f}" + (f" ({100 * (other / value - 1):+.1f} %)" if value else "")
        for method, route in block.routed().items()
        for other in [block.cells[method, metric].value]
    ]
    return f"without the scenario's label: {', '.join(found)} against {value:.4f} ({metric})"


def seed_statement(results: Iterable[Mapping[str, Any]]) -> str:
    """How many seeds stand behind the figures, with the warning that one seed is one draw."""
    seeds = sorted({row["seed"] for row in results})
    if len(seeds) > 1:
        return f"Means over {len(seeds)} seeds ({', '.join(map(str, seeds))})."
    return f"One seed ({seeds[0] if seeds else 'none'}): another seed gives other figures."


def spread_statement(results: Iterable[Mapping[str, Any]]) -> str:
    """What stands behind ±."""
    if len({row["seed"] for row in results}) > 1:
        return "± is the standard deviation over seeds."
    return "± is the standard error over users; it does not cover the choice of the seed."


def _cell(rows: list[Mapping[str, Any]]) -> Cell:
    values = [row["value"] for row in rows]
    spread = stdev(values) if len(values) > 1 else rows[0]["standard_error"]
    return Cell(fmean(values), spread, rows[0]["users"], tuple(sorted(row["seed"] for row in rows)))
