"""Controls: baselines fitted and evaluated on the rows that the models see."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from polyscene.config.choice import chosen
from polyscene.data.columns import Text
from polyscene.errors import DataError
from polyscene.evaluation.baselines import Baseline
from polyscene.evaluation.evaluator import Subject, baseline_scorer, evaluate_method
from polyscene.training.assembly import TextVectors
from polyscene.training.loading import LoadedScenario

SINGLE = "single"


def evaluate_baseline(
    control: str,
    subject: Subject,
    loaded: LoadedScenario,
    texts: TextVectors,
    build: Callable[[str], Baseline],
    seed: int,
    say: Callable[[str], None],
) -> tuple[list[dict[str, Any]], float]:
    """Result rows of one baseline in one scenario, and the seconds it took; none where it does not apply."""
    started = time.monotonic()
    baseline = build(control)
    try:
        baseline.fit(subject.events.to("cpu"), item_embeddings(loaded, texts))
        rows = evaluate_method(
            subject, control, lambda population: baseline_scorer(baseline, subject, population), seed
        )
    except DataError as reason:
        say(f"{subject.name}: {control} does not apply: {reason.what}")
        return [], 0.0
    return rows, time.monotonic() - started


def item_embeddings(loaded: LoadedScenario, texts: TextVectors) -> np.ndarray | None:
    """Text vectors ``[N, h]`` of a scenario's items, ``None`` where they have no text."""
    for column in loaded.scenario.item_columns:
        if isinstance(column, Text):
            return texts.embed(loaded.tables.items[column.name].fillna("").astype(str).tolist()).numpy()
    return None


def build_baseline(control: str, host: Any) -> Baseline:
    """A baseline component with its default options."""
    return chosen("baseline", control, host, where="controls").build()
