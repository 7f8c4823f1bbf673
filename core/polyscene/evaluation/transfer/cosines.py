"""Cosines between the gradients of two scenarios, where a balancer recorded them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from polyscene.report.history import read_curves
from polyscene.training.strategy import JOINT

_METRIC = "cosine/"


def gradient_cosines(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """The mean cosine over the steps of the joint model for each pair of scenarios, with its spread over seeds.

    Args:
        folders: of the seeds, each with a metrics.jsonl.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for folder in folders:
        for curve in read_curves(folder):
            if curve.metric.startswith(_METRIC) and not curve.scenario.endswith(")"):
                pair = (curve.scenario, curve.metric.removeprefix(_METRIC))
                found.setdefault(pair, []).append(fmean(value for _, value in curve.points))
    return [
        {
            "row": JOINT,
            "scenarios": list(pair),
            "mean": fmean(values),
            "spread": stdev(values) if len(values) > 1 else None,
            "seeds": len(values),
        }
        for pair, values in found.items()
    ]
