"""Coverage, concentration and drift of what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from polyscene.serving.engine import Answer
from polyscene.serving.metrics import Metrics
from polyscene.serving.shown import Shown


def test_coverage_and_concentration() -> None:
    shown = Shown()
    assert shown.concentration() == 0
    for item in ("a", "b", "c", "d"):
        shown.add((item,), (1.0,))
    assert shown.coverage(8) == 0.5
    assert shown.concentration() == pytest.approx(0)
    for _ in range(996):
        shown.add(("a",), (1.0,))
    # One of four items takes nearly all: the Gini coefficient nears 1 - 1/4.
    assert shown.concentration() == pytest.approx(0.75, abs=0.01)


def test_drift_is_seen_and_noise_is_not() -> None:
    rng, shown = np.random.default_rng(0), Shown()
    _fill(shown, rng.normal(size=1000), rng.poisson(3, size=1000))
    assert (shown.scores.stability(), shown.steps.stability()) == (0, 0)
    _fill(shown, rng.normal(size=1000), rng.poisson(3, size=1000))
    assert shown.scores.stability() < 0.1
    assert shown.steps.stability() < 0.1
    _fill(shown, rng.normal(1.0, size=1000), rng.poisson(3, size=1000))
    # Of a normal distribution that moved by one deviation: the integral of (p - q) log(p / q) is 1, less by bins.
    assert 0.7 < shown.scores.stability() < 1.1
    assert shown.steps.stability() < 0.1
    _fill(shown, rng.normal(1.0, size=1000), np.zeros(1000))
    assert shown.steps.stability() > 1


def test_restarts_and_other_workers_compare_with_the_same_first_lists(tmp_path: Path) -> None:
    rng, place = np.random.default_rng(0), tmp_path / "v1.books.json"
    first = Shown(place)
    _fill(first, rng.normal(size=1000), rng.poisson(3, size=1000))
    again = Shown(place)
    _fill(again, rng.normal(1.0, size=200), rng.poisson(3, size=200))
    assert again.scores.stability() > 0.5
    # A worker that was slower takes over what is kept.
    slow = Shown(tmp_path / "later.json")
    _fill(slow, rng.normal(5.0, size=999), np.ones(999))
    place.rename(tmp_path / "later.json")
    _fill(slow, [5.0] * 201, [1] * 201)
    assert slow.scores.stability() > 1


@pytest.mark.parametrize("damage", ["", "{}", '{"scores": {"edges": [], "shares": []}, "steps": 1}'])
def test_first_lists_that_are_damaged_are_gathered_anew(damage: str, tmp_path: Path) -> None:
    (tmp_path / "v1.json").write_text(damage)
    shown = Shown(tmp_path / "v1.json")
    _fill(shown, range(1000), range(1000))
    assert shown.scores.shares is not None
    assert shown.scores.stability() == 0
    assert Shown(tmp_path / "nowhere" / "v1.json").scores.shares is None


def test_the_gauges_rise_when_scores_and_askers_change_and_versions_are_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def serve(metrics: Metrics, version: str, mean: float, steps: int, count: int = 1000) -> None:
        for score, known in zip(rng.normal(mean, size=count), rng.poisson(steps, size=count), strict=True):
            answer = Answer("books", ("a",), (score,), {}, version, steps=int(known))
            metrics.answered(answer, 0, logged=True)

    def gauges(metrics: Metrics) -> tuple[float, float]:
        metrics.measure(0, {"books": 3})
        names = ("polyscene_score_stability", "polyscene_input_stability")
        found = [metrics.registry.get_sample_value(name, {"scenario": "books"}) for name in names]
        return found[0] or 0.0, found[1] or 0.0

    metrics = Metrics(tmp_path / "drift")
    metrics.serves("v1")
    serve(metrics, "v1", 0, 3)
    serve(metrics, "v1", 0, 3)
    assert max(gauges(metrics)) < 0.25
    # Another version has other scores, and that is no drift.
    metrics.serves("v2", "v1")
    serve(metrics, "v2", 5, 3)
    serve(metrics, "v2", 5, 3, count=300)
    serve(metrics, "v3", 9, 3, count=300)  # beside the promoted one
    assert max(gauges(metrics)) < 0.25
    # Back to the first, in a process of its own: what it is compared with is kept.
    metrics = Metrics(tmp_path / "drift")
    metrics.serves("v2")
    metrics.serves("v1", "v2")
    serve(metrics, "v1", 2, 3, count=300)
    score, known = gauges(metrics)
    assert score > 0.25 > known
    serve(metrics, "v1", 2, 9, count=700)
    assert gauges(metrics)[1] > 0.25
    kept = sorted(path.name for path in (tmp_path / "drift").iterdir())
    assert kept == ["v1.books.json", "v2.books.json"]
    assert set(json.loads((tmp_path / "drift" / kept[0]).read_text())) == {"scores", "steps"}


def _fill(shown: Shown, scores, steps) -> None:
    for score, known in zip(scores, steps, strict=True):
        shown.add(("a",), (float(score),), float(known))
