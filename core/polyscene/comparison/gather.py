"""From runs to a table: own models by variant, controls once where no variant changes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from polyscene.comparison.costs import costs
from polyscene.comparison.runs import Run
from polyscene.comparison.table import Column, Comparison, Entry
from polyscene.comparison.variants import Variant, variants
from polyscene.config.controls import MODELS
from polyscene.report.summary import method_title


def compare(runs: Sequence[Run], unfinished: Mapping[str, str] | None = None) -> Comparison:
    """All figures of some runs, not yet tested against each other.

    A run's own model is a line for each variant; its controls are lines of their own, once where every variant has
    the same figures for them.
    """
    found = variants(runs)
    entries = [entry for variant in found for entry in _entries(variant, alone=len(found) == 1)]
    own = [entry for entry in entries if entry.own]
    columns = dict.fromkeys(column for entry in [*own, *entries] for column in entry.figures)
    scenarios = dict.fromkeys(column.scenario for column in columns)
    ordered = [column for name in scenarios for column in columns if column.scenario == name]
    return Comparison(
        ordered, [*own, *_merged(one for one in entries if not one.own)], unfinished=unfinished or {}
    )


def _entries(variant: Variant, *, alone: bool) -> list[Entry]:
    figures: dict[str, dict[Column, dict[int, float]]] = {}
    requests: dict[str, dict[Column, dict[int, np.ndarray]]] = {}
    for run in variant.runs:
        for row in run.metrics["results"]:
            column = Column(row["scenario"], row["view"], row["population"], row["metric"])
            figures.setdefault(row["method"], {}).setdefault(column, {})[row["seed"]] = row["value"]
        for (scenario, view, population, method, metric), values in run.per_request.items():
            column = Column(scenario, view, population, metric)
            requests.setdefault(method, {}).setdefault(column, {})[run.config["seed"]] = values
    return [
        Entry(
            _label(variant, method, alone=alone),
            method,
            variant.settings,
            tuple(run for run in variant.runs if any(row["method"] == method for row in run.metrics["results"])),
            own,
            requests.get(method, {}),
            costs(variant.runs, method),
        )
        for method, own in figures.items()
    ]


def _label(variant: Variant, method: str, *, alone: bool) -> str:
    if method == variant.runs[0].own_method and not (alone and not variant.label):
        return variant.label
    return method_title(method) if alone or not variant.label else f"{variant.label}: {method_title(method)}"


def _merged(controls: Iterable[Entry]) -> list[Entry]:
    """One line for a control that no variant changes: it says the same wherever both were measured."""
    merged: list[Entry] = []
    for entry in controls:
        same = next((one for one in merged if one.method == entry.method and _agree(one, entry)), None)
        if same is None:
            merged.append(entry)
            continue
        merged[merged.index(same)] = replace(
            same,
            runs=(*same.runs, *entry.runs),
            figures=_joined(same.figures, entry.figures),
            requests=_joined(same.requests, entry.requests),
        )
    methods = Counter(entry.method for entry in merged)
    return [
        replace(entry, label=method_title(entry.method), settings={})
        if methods[entry.method] == 1 and entry.method not in MODELS
        else entry
        for entry in merged
    ]


def _agree(one: Entry, other: Entry) -> bool:
    """Whether two baselines have the same figures; a model may only by accident, and keeps a line of its own."""
    if one.method in MODELS:
        return False
    values = [
        set(one.figures[column].values()) | set(other.figures[column].values())
        for column in one.figures.keys() & other.figures.keys()
    ]
    return bool(values) and all(len(found) == 1 for found in values)


def _joined(one: Mapping[Column, Any], other: Mapping[Column, Any]) -> dict[Column, Any]:
    return {column: {**one.get(column, {}), **other.get(column, {})} for column in dict.fromkeys([*one, *other])}
