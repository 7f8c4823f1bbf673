"""Negative transfer: for each scenario the joint model minus the one trained alone, and what mends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from statistics import fmean
from typing import Any

from polyscene.evaluation.transfer.differences import WORSE, Difference, difference
from polyscene.evaluation.transfer.figures import Figures, over_seeds
from polyscene.evaluation.transfer.rows import Row
from polyscene.training.strategy import JOINT, SINGLE

NO_HARM, MENDED, NOT_MENDED, NOTHING_BETTER = "no harm", "mended", "not mended", "nothing better"


def negative_transfer(figures: Figures, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """One entry for each scenario that the joint model and a single one were tested on.

    Every joint model (as configured, and with another adapter or balancer) is compared with the same single
    model, which has the config as it is. Which of them is chosen for a scenario is decided on its validation rows;
    what is shown is the test. The outcome says whether the joint model is clearly worse than the single one, and
    if so whether the chosen one is not.
    """
    joint = [row.label for row in rows if row.label == JOINT or row.part]
    entries = []
    for scenario in figures.headlines:
        single = figures.of(f"{SINGLE}-{scenario}", scenario)
        tried = {label: found for label in joint if (found := _minus(figures, scenario, label)) is not None}
        if JOINT not in tried:
            continue
        scores = {label: _mean_validation(figures, label, (scenario,)) for label in tried}
        chosen = _best(scores)
        entries.append(
            {
                "scenario": scenario,
                "single": over_seeds(single),
                "joint": over_seeds(figures.of(JOINT, scenario)),
                "difference": asdict(tried[JOINT]),
                "tried": [
                    {"row": label, "validation": scores[label], "difference": asdict(found)}
                    for label, found in tried.items()
                ],
                "chosen": chosen,
                "outcome": _outcome(tried, chosen),
            }
        )
    return entries


def best_for_all(figures: Figures, rows: Iterable[Row]) -> dict[str, Any]:
    """The joint model with the best mean validation score over all scenarios, and the scores it was chosen by."""
    labels = [row.label for row in rows if row.label == JOINT or row.part]
    scores = {label: _mean_validation(figures, label, figures.headlines) for label in labels}
    return {"chosen": _best(scores), "validation": scores}


def _minus(figures: Figures, scenario: str, label: str) -> Difference | None:
    return difference(
        figures.of(label, scenario),
        figures.of(f"{SINGLE}-{scenario}", scenario),
        lower_is_better=figures.headlines[scenario].lower_is_better,
    )


def _mean_validation(figures: Figures, label: str, scenarios: Iterable[str]) -> float | None:
    """The mean over scenarios and seeds, None unless the row has every seed that the joint model has."""
    means = []
    for scenario in scenarios:
        own, wanted = figures.validation(label, scenario), figures.validation(JOINT, scenario)
        if wanted.keys() - own.keys():
            return None
        if wanted:
            means.append(fmean(own[seed] for seed in wanted))
    return fmean(means) if means else None


def _best(scores: Mapping[str, float | None]) -> str:
    """The label with the highest score, the first of equals; the joint model as it is where none has one."""
    known = {label: score for label, score in scores.items() if score is not None}
    return max(known, key=lambda label: known[label], default=JOINT)


def _outcome(tried: Mapping[str, Difference], chosen: str) -> str:
    if tried[JOINT].verdict != WORSE:
        return NO_HARM
    if chosen == JOINT:
        return NOTHING_BETTER
    return NOT_MENDED if tried[chosen].verdict == WORSE else MENDED
