"""Curves: the values of a run over its steps, as lines of metrics.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from polyscene.training.files import write_text
from polyscene.training.strategy import JOINT


def append_metrics(path: Path, step: int, model: str, values: Mapping[str, float]) -> None:
    """Append values such as ``{"video/ndcg@10": 0.1}`` to metrics.jsonl, one line each."""
    with path.open("a", encoding="utf-8") as lines:
        for key, value in values.items():
            scenario, _, metric = key.partition("/")
            entry = {"step": step, "scenario": _curve(scenario, model), "metric": metric, "value": value}
            lines.write(json.dumps(entry) + "\n")


def drop_metrics(path: Path, step: int, model: str, scenarios: Iterable[str]) -> None:
    """Take out a model's lines after ``step``: a killed session wrote them, and the steps are taken again."""
    if not path.is_file():
        return
    curves = {_curve(scenario, model) for scenario in scenarios}

    def kept(line: str) -> bool:
        try:
            entry = json.loads(line)
        except ValueError:  # the process was killed while it wrote the line
            return False
        return entry["step"] <= step or entry["scenario"] not in curves

    write_text(path, "".join(line for line in path.read_text("utf-8").splitlines(keepends=True) if kept(line)))


def _curve(scenario: str, model: str) -> str:
    return scenario if model == JOINT else f"{scenario} ({model.removesuffix(f'-{scenario}')})"
