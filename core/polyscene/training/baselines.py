"""Baselines, fitted and evaluated on the rows that the models see."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from polyscene.config.choice import chosen
from polyscene.data.columns import Text
from polyscene.data.phases import BEFORE_TEST
from polyscene.errors import DataError
from polyscene.evaluation.baselines import Baseline
from polyscene.evaluation.evaluator import baseline_scorer, evaluate_method
from polyscene.evaluation.measured import Keep, keep_nothing
from polyscene.evaluation.subject import Subject
from polyscene.training.loading import LoadedScenario
from polyscene.training.session import Session


def evaluate_baseline(
    control: str,
    subject: Subject,
    loaded: LoadedScenario,
    session: Session,
    keep: Keep = keep_nothing,
    *,
    population: str = "",
) -> tuple[list[dict[str, Any]], float]:
    """Result rows of one baseline in one scenario, and the seconds it took; none where it does not apply.

    They are of all populations, or of one ``population`` only.

    Baselines count all rows known at the test, validation included, as a service would.
    """
    started = time.monotonic()
    if not subject.ranked:
        session.say(f"{subject.name}: {control} does not apply: rows are judged, items are not ranked")
        return [], 0.0
    baseline: Baseline = chosen("baseline", control, session.host, where="controls").build()
    try:
        baseline.fit(subject.events.to("cpu"), item_embeddings(loaded, session), BEFORE_TEST)
        rows = evaluate_method(
            subject,
            control,
            lambda asked: baseline_scorer(baseline, subject, asked),
            session.config.seed,
            population,
            keep=keep,
        )
    except DataError as reason:
        session.say(f"{subject.name}: {control} does not apply: {reason.what}")
        return [], 0.0
    return rows, time.monotonic() - started


def item_embeddings(loaded: LoadedScenario, session: Session) -> np.ndarray | None:
    """Text vectors ``[N, h]`` of a scenario's items, ``None`` where they have no text."""
    for column in loaded.scenario.item_columns:
        if isinstance(column, Text):
            texts = loaded.tables.items[column.name].fillna("").astype(str).tolist()
            return session.backbone.embed(texts).numpy()
    return None
