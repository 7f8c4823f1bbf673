"""The matrix: every row tested on every scenario, with what transfer adds to counting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from polyscene.config.transfer import POPULARITY
from polyscene.evaluation.transfer.differences import BETTER, WORSE, Difference, difference
from polyscene.evaluation.transfer.figures import Figures, over_seeds
from polyscene.evaluation.transfer.rows import UNTRAINED, Row
from polyscene.training.strategy import JOINT, SINGLE

GAIN, LOSS = "gain", "loss"


def matrix(figures: Figures, controls: Iterable[str], rows: Iterable[Row]) -> dict[str, Any]:
    """The columns of a matrix and those of its cells that have been measured, row by row.

    A cell of a model that did not learn the scenario is compared with the untrained model and with popularity,
    and marked as a gain or a loss where it is clearly better or worse than both: the untrained model alone also
    counts, but adds random vectors to the count, so that any training that makes them smaller looks like transfer.
    A cell of the joint model is compared with the model that was trained on the scenario alone.
    """
    cells = []
    learned: dict[str, tuple[str, ...]] = dict.fromkeys(controls, ())
    learned |= {row.label: row.trained for row in rows if not row.part}
    for label, trained in learned.items():
        for scenario in figures.headlines:
            own = figures.of(label, scenario)
            if not own:
                continue
            others: tuple[str, ...] = ()
            if label == JOINT:
                others = (f"{SINGLE}-{scenario}",)
            elif trained and scenario not in trained:
                others = (UNTRAINED, POPULARITY)
            against = {
                other: found
                for other in others
                if (found := _difference(figures, scenario, label, other)) is not None
            }
            cells.append(
                {
                    "row": label,
                    "scenario": scenario,
                    **over_seeds(own),
                    "against": {other: asdict(found) for other, found in against.items()},
                    "mark": _mark(against),
                }
            )
    columns = [
        {"scenario": name, "users": figures.users(name), **asdict(headline)}
        for name, headline in figures.headlines.items()
    ]
    return {"columns": columns, "cells": cells}


def _difference(figures: Figures, scenario: str, one: str, other: str) -> Difference | None:
    return difference(
        figures.of(one, scenario),
        figures.of(other, scenario),
        lower_is_better=figures.headlines[scenario].lower_is_better,
    )


def _mark(against: dict[str, Difference]) -> str:
    verdicts = {found.verdict for found in against.values()}
    return {BETTER: GAIN, WORSE: LOSS}.get(verdicts.pop(), "") if len(verdicts) == 1 else ""
