"""Learning curves: what metrics.jsonl recorded during training."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

FILE = "metrics.jsonl"
MAX_POINTS = 150


@dataclass(frozen=True)
class Curve:
    """One quantity over training steps; ``averaged`` points were merged into each point that is drawn."""

    scenario: str
    metric: str
    points: tuple[tuple[float, float], ...]
    averaged: int = 1


def read_curves(run: Path) -> list[Curve]:
    """The curves of a run, in the order in which they first appear; none if it recorded nothing.

    Each line is a JSON object with ``step`` and either ``metric`` and ``value`` or ``loss`` (or both), and
    ``scenario`` unless the quantity belongs to all. Lines that a killed run left unfinished and values that are
    not finite are passed over. Long curves are averaged down to at most 150 points.
    """
    path = run / FILE
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict) or not _is_number(entry.get("step")):
            continue
        scenario = str(entry.get("scenario") or "")
        if "metric" in entry and _is_number(entry.get("value")):
            found.setdefault((scenario, str(entry["metric"])), []).append((entry["step"], entry["value"]))
        if _is_number(entry.get("loss")):
            found.setdefault((scenario, "loss"), []).append((entry["step"], entry["loss"]))
    return [_thinned(scenario, metric, points) for (scenario, metric), points in found.items()]


def _thinned(scenario: str, metric: str, points: list[tuple[float, float]]) -> Curve:
    points = sorted(dict(points).items())  # a resumed run may have written a step twice; the later line counts
    width = math.ceil(len(points) / MAX_POINTS)
    groups = [points[start : start + width] for start in range(0, len(points), width)]
    means = tuple((sum(s for s, _ in g) / len(g), sum(v for _, v in g) / len(g)) for g in groups)
    return Curve(scenario, metric, means, width)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
