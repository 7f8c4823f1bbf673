"""Do our controls reproduce the published ones? NDCG@10 and recall@10 of simple methods on the same rows.

    python -m benchmarks.quality.controls            # all protocols
    python -m benchmarks.quality.controls A D        # some of them

A figure agrees when it lies within one standard error over users of the published one. Which rows are learned
from, seen, masked and ranked is said in :mod:`benchmarks.quality.protocols`. Options: EASE as published (l2 500
in A and B; log weights, l2 2000 in C); the number of neighbors of item-kNN (similarities of binary columns, each
item of the history votes for its neighbors) is chosen on the validation rows; recent popularity covers 8 weeks,
personal frequency has a half-life of 8 weeks.

One row does not agree, and cannot: a method that knows nothing of cold artists scores them all the same, so its
figure depends on how ties are broken. Ours are broken at random: it recalls the 10 / 461 = .0217 of chance.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.quality import protocols
from benchmarks.quality.protocols import Protocol, RealData
from benchmarks.results import write_results
from polyscene.data.phases import Phase
from polyscene.evaluation.baselines import COMPONENTS, Baseline
from polyscene.evaluation.metrics import Summary, ndcg, recall, summarize
from polyscene.registry.components import Registry

K = 10
NEIGHBORS = (10, 50, 200)
_REGISTRY = Registry(COMPONENTS)


class Control(NamedTuple):
    """A method, its options, and the published NDCG@10 and recall@10."""

    method: str
    options: dict[str, Any]
    published: tuple[float, float]


class Outcome(NamedTuple):
    """What one control got."""

    protocol: Protocol
    control: Control
    measured: tuple[Summary, Summary]
    seconds: float


def cases(data: RealData) -> dict[str, Callable[[], list[tuple[Protocol, list[Control]]]]]:
    """What is measured, by the letter of the protocol; nothing is loaded before it is called."""
    ease = {"l2": 500.0}
    recent = {"days": 56.0}
    frequent = {"half_life_days": 56.0}
    log_ease = {"l2": 2000.0, "log_weights": True}
    return {
        "A": lambda: [
            (
                protocols.movielens(data),
                [
                    Control("popularity", {}, (0.0178, 0.0363)),
                    Control("item_knn", {}, (0.0405, 0.0800)),
                    Control("ease", ease, (0.0536, 0.1084)),
                    Control("content", {}, (0.0061, 0.0129)),
                ],
            )
        ],
        "B": lambda: [
            (
                protocols.new_to_household(data),
                [
                    Control("popularity", {}, (0.0370, 0.0121)),
                    Control("item_knn", {}, (0.0438, 0.0130)),
                    Control("recent_popularity", recent, (0.0473, 0.0168)),
                    Control("ease", ease, (0.0501, 0.0151)),
                    Control("content", {}, (0.0029, 0.0006)),
                ],
            ),
            (
                protocols.everything(data),
                [
                    Control("popularity", {"distinct_users": False}, (0.2231, 0.0331)),
                    Control("personal_frequency", {}, (0.5123, 0.0971)),
                    Control("personal_frequency", frequent, (0.5434, 0.1037)),
                ],
            ),
        ],
        "C": lambda: [
            (
                protocols.warm_artists(data),
                [
                    Control("popularity", {}, (0.0681, 0.0760)),
                    Control("item_knn", {}, (0.1847, 0.1833)),
                    Control("ease", log_ease, (0.2173, 0.2195)),
                    Control("content", {}, (0.0305, 0.0357)),
                ],
            ),
            (
                protocols.cold_artists(data, among_all=False),
                [Control("popularity", {}, (0.0113, float("nan"))), Control("content", {}, (0.1439, 0.1726))],
            ),
            (protocols.cold_artists(data, among_all=True), [Control("content", {}, (0.0368, 0.0498))]),
        ],
        "D": lambda: [
            (
                protocols.friends(data),
                [
                    Control("degree", {}, (0.0349, 0.0440)),
                    Control("common_neighbors", {}, (0.1421, 0.1756)),
                    Control("adamic_adar", {}, (0.1550, 0.1898)),
                    Control("random_walk", {}, (0.1723, 0.2119)),
                ],
            )
        ],
    }


def measure(data: RealData, protocol: Protocol, control: Control) -> Outcome:
    """Fits and ranks one control; item-kNN first chooses its neighbors on the validation rows."""
    started = time.monotonic()
    if control.method == "item_knn":
        control = control._replace(options={"neighbors": chosen_neighbors(protocol)})
    vectors = data.text_vectors(protocol.scenario) if control.method == "content" else None
    baseline = build(control.method, control.options)
    baseline.fit(protocol.events, vectors, phases=protocol.learned)
    ranking = protocol.rank(baseline, K)
    measured = (summarize(ndcg(ranking, K)), summarize(recall(ranking, K)))
    return Outcome(protocol, control, measured, time.monotonic() - started)


def chosen_neighbors(protocol: Protocol) -> int:
    """The number of neighbors with the best NDCG@10 on validation rows, from training rows alone."""
    train = (Phase.TRAIN,)
    validation = replace(protocol, target=Phase.VALIDATION, learned=train, seen=train)
    scores = []
    for neighbors in NEIGHBORS:
        baseline = build("item_knn", {"neighbors": neighbors})
        baseline.fit(protocol.events, None, phases=train)
        scores.append(summarize(ndcg(validation.rank(baseline, K), K)).mean)
    return NEIGHBORS[int(np.argmax(scores))]


def build(method: str, options: dict[str, Any]) -> Baseline:
    """A baseline by name."""
    component = _REGISTRY.get("baseline", method)
    return component.build(component.config(**options) if component.config else None)


def named(control: Control) -> str:
    """The method with its options."""
    options = ", ".join(f"{name}={value}" for name, value in control.options.items())
    return f"{control.method} ({options})" if options else control.method


def agrees(summary: Summary, published: float) -> bool:
    """Whether a published figure, given to four digits, lies within one standard error of ours."""
    return np.isnan(published) or abs(summary.mean - published) <= summary.standard_error + 5e-5


def result_rows(outcomes: list[Outcome]) -> Iterator[dict[str, Any]]:
    """Rows of the results file: ours, its standard error over users, and the published figure."""
    for outcome in outcomes:
        row = {
            "protocol": outcome.protocol.name,
            "scenario": outcome.protocol.scenario,
            "std": None,
            "seeds": [0],
            "command": "python -m benchmarks.quality.controls",
        }
        figures = zip(("ndcg@10", "recall@10"), outcome.measured, outcome.control.published, strict=True)
        for metric, ours, published in figures:
            row |= {"method": named(outcome.control)}
            yield {**row, "metric": metric, "mean": ours.mean}
            yield {**row, "metric": f"{metric} (standard error over users)", "mean": ours.standard_error}
            if not np.isnan(published):
                yield {**row, "metric": f"{metric} (published)", "mean": published}


def show(outcomes: list[Outcome], console: Console) -> None:
    """The comparison as a table."""
    table = Table("protocol", "method", "users", "NDCG@10", "published", "recall@10", "published", "agrees", "s")
    for outcome in outcomes:
        cells = []
        for summary, published in zip(outcome.measured, outcome.control.published, strict=True):
            cells += [f"{summary.mean:.4f} ± {summary.standard_error:.4f}", f"{published:.4f}"]
        both = all(map(agrees, outcome.measured, outcome.control.published))
        name, users = outcome.protocol.name, f"{outcome.measured[0].users:,}"
        table.add_row(
            name, named(outcome.control), users, *cells, "yes" if both else "NO", f"{outcome.seconds:.0f}"
        )
    console.print(table)


def main(letters: list[str]) -> None:
    """Measures, prints, and with all protocols writes ``results/controls.json``."""
    torch.set_num_threads(min(2, torch.get_num_threads()))
    console = Console(width=150)
    data = RealData()
    outcomes = []
    for letter, protocols_of in cases(data).items():
        if letter in (letters or letter):
            for protocol, controls in protocols_of():
                for control in controls:
                    outcomes.append(measure(data, protocol, control))
                    console.print(f"{protocol.name}: {named(outcomes[-1].control)}")
    show(outcomes, console)
    if not letters:
        console.print(f"written to {write_results('controls', list(result_rows(outcomes)))}")


if __name__ == "__main__":
    main(sys.argv[1:])
