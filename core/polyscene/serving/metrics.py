"""What is measured while serving, in the form that Prometheus reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from polyscene.feedback import Event
from polyscene.serving.engine import Answer
from polyscene.serving.shown import Shown

CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where several workers keep what they measure; to be set before this module is imported."""
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
OTHER = "other"
"""Stands for scenarios that are not served, so that callers cannot make up series."""


class Metrics:
    """All series of one service, in a registry of their own.

    With several workers each keeps its part in a folder, and whoever is asked adds them up.

    Args:
        folder: where it is kept what scores and requests were like when a version began to serve; None keeps
            nothing of it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.registry, self._folder, self._version = CollectorRegistry(), folder, ""
        if folder is not None:
            with contextlib.suppress(OSError):
                folder.mkdir(exist_ok=True)
        self.requests = self._counter("requests", "Requests by route and status.", "route", "method", "status")
        self.seconds = Histogram(
            "polyscene_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.refused = self._counter("refused_requests", "Requests that were refused, by reason.", "reason")
        self.answers = self._counter("answers", "Lists that were recommended.", "scenario", "user", "logged")
        self.unknown_items = self._counter("unknown_items", "Items of requests that are none.", "scenario")
        self.asked_items = self._counter("asked_items", "Items that requests name.", "scenario")
        self.events = self._counter("events", "Events that were acknowledged.", "scenario", "kind")
        self.batch = Histogram(
            "polyscene_batch_requests", "Requests answered in one call.", buckets=_SIZES, registry=self.registry
        )
        self.waiting = self._gauge("waiting_requests", "Requests that wait for the model.", "livesum")
        self.model = self._gauge("model", "Workers that serve a version.", "livesum", "version")
        self.loads = self._counter("model_loads", "Loads of another version, by outcome.", "outcome")
        self.failures = self._counter("failures", "What went wrong in parts that answers can do without.", "part")
        self.items = self._gauge("items", "Items of the catalogue.", "livemax", "scenario")
        self.coverage = self._gauge(
            "coverage", "Share of the catalogue among items shown lately.", "livemax", "scenario"
        )
        self.concentration = self._gauge(
            "concentration", "Gini coefficient of how often items were shown lately.", "livemax", "scenario"
        )
        self.stability = self._gauge(
            "score_stability",
            "Population stability index of best scores, lately against at first.",
            "livemax",
            "scenario",
        )
        self.input_stability = self._gauge(
            "input_stability",
            "Population stability index of how much is known of who asks, lately against at first.",
            "livemax",
            "scenario",
        )
        self._shown: dict[str, Shown] = {}

    def answered(self, answer: Answer, asked: int, *, logged: bool) -> None:
        """Count a recommended list, and ``asked`` items that its request named."""
        user = "known" if answer.user_known else "unknown"
        self.answers.labels(answer.scenario, user, "yes" if logged else "no").inc()
        self.asked_items.labels(answer.scenario).inc(asked)
        self.unknown_items.labels(answer.scenario).inc(len(answer.unknown_items))
        if answer.scenario not in self._shown:
            self._shown[answer.scenario] = Shown(self._place(answer.scenario))
        # Versions beside the promoted one have scores of their own.
        scores = answer.scores if answer.model == self._version else ()
        self._shown[answer.scenario].add(answer.items, scores, answer.steps)

    def happened(self, events: Sequence[Event], known: Sequence[str]) -> None:
        """Count events; ``known`` are the scenarios that are served."""
        for event in events:
            self.events.labels(event.scenario if event.scenario in known else OTHER, event.kind).inc()

    def serves(self, version: str, before: str | None = None) -> None:
        """This worker serves a version from now on."""
        self._version = version
        if before is not None and before != version:
            self.model.labels(before).set(0)
            for scenario, shown in self._shown.items():
                shown.restart(self._place(scenario))
        self.model.labels(version).set(1)

    def measure(self, waiting: int, items: dict[str, int]) -> None:
        """Bring gauges up to date."""
        self.waiting.set(waiting)
        for scenario, count in items.items():
            self.items.labels(scenario).set(count)
            if scenario in self._shown:
                shown = self._shown[scenario]
                self.coverage.labels(scenario).set(shown.coverage(count))
                self.concentration.labels(scenario).set(shown.concentration())
                self.stability.labels(scenario).set(shown.scores.stability())
                self.input_stability.labels(scenario).set(shown.steps.stability())

    def text(self) -> bytes:
        """All series, of all workers."""
        if FOLDER not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)

    def _place(self, scenario: str) -> Path | None:
        """Where it is kept what the first lists of the version were like."""
        return self._folder and self._folder / f"{self._version}.{quote(scenario, safe='')}.json"

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"polyscene_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, mode: str, *labels: str) -> Gauge:
        return Gauge(f"polyscene_{name}", text, labels, registry=self.registry, multiprocess_mode=mode)  # pyright: ignore[reportArgumentType]
