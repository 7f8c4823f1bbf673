"""Our side of a comparison: a training run's own loop, which lets a peer take its turn between steps."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.data.domains import scenario_of
from polyscene.evaluation.models import evaluate_domains, evaluate_model
from polyscene.evaluation.validation import steering_scores
from polyscene.model import PolysceneModel
from polyscene.registry.host import load_host
from polyscene.training.assembly import build_model
from polyscene.training.fit import Fitting, Progress, task_weights
from polyscene.training.prepare import prepare
from polyscene.training.reporter import Reporter
from polyscene.training.session import Session, prepare_torch
from polyscene.training.step import step_losses

Turn = Callable[[int, float], None]
OURS = "polyscene"
# Tensors with one row for each item, user or value of a category.
_TABLES = ("vector_Md", "vector_Ld", "bias_N")


@dataclass
class Trained:
    """What a training reached.

    Args:
        curve: steps so far and the validation metric of each scenario, after each validation.
        test: result rows of the best state on test rows.
    """

    curve: list[tuple[int, dict[str, float]]]
    test: list[dict[str, Any]]

    def value(self, metric: str) -> float:
        """A metric on test rows, over all domains where there are any."""
        found = {
            row["scenario"]: row["value"] for row in self.test if (row["method"], row["metric"]) == (OURS, metric)
        }
        return next((found[name] for name in found if name == scenario_of(name)), 0.0)


class Engine:
    """The engine under overrides of the command line, on one thread of the processor.

    Args:
        overrides: as for ``polyscene train``.

    Attributes:
        loaded: the scenarios' data.
    """

    def __init__(self, overrides: Sequence[str]) -> None:
        host = load_host()
        words = [*overrides, "trainer.threads=1", "trainer.accelerator=cpu"]
        self.config = resolve_train(compose("train", words, host), host)
        prepare_torch(self.config)
        self.fabric = Fabric(accelerator="cpu", devices=1)
        self.session = Session(self.config, host, self.fabric.device, say=lambda _: None)
        with tempfile.TemporaryDirectory() as folder:
            self.prepared = prepare(self.session, self.fabric, Reporter(host, speaks=False), Path(folder))
        self.loaded = self.prepared.loaded.scenarios

    def train(self, every: int, between: Turn) -> Trained:
        """Train as ``polyscene train`` does and test the best state.

        Args:
            every: steps of a turn.
            between: called after each turn with the number of steps so far and the turn's median of processor
                seconds per step, which are those of the whole loop without validation.
        """
        curve: list[tuple[int, dict[str, float]]] = []
        seconds: list[float] = []
        mark = time.process_time()

        def stepped(step: int) -> None:
            nonlocal mark
            seconds.append(time.process_time() - mark)
            if step % every == 0:
                between(step, statistics.median(seconds))
                seconds.clear()
            mark = time.process_time()

        def validated(step: int, values: dict[str, float]) -> None:
            nonlocal mark
            curve.append((step, {name: value for name, value in values.items() if not name.endswith("/loss")}))
            mark = time.process_time()

        self.model, learned = build_model(self.session, self.prepared.loaded)
        with tempfile.TemporaryDirectory() as folder:
            self._fitting(self.model, learned, Path(folder), Progress(step=stepped, metrics=validated)).run()
        return Trained(curve, self._tested(self.model.eval()))

    def validation(self) -> dict[str, float]:
        """The validation metric of each scenario over all its users, as the model in training is now."""
        scores = steering_scores(self.model.eval(), self.prepared.subjects, self._lengths())
        return {name: value for name, (_, value) in scores.items()}

    def trained_parameters(self) -> tuple[int, int]:
        """Parameters that a step changes: those of looked-up tables, and all others."""
        model, learned = build_model(self.session, self.prepared.loaded)
        fitting = self._fitting(model, learned, Path(), Progress())
        weights = task_weights(self.loaded, self.config.auxiliary)
        torch.stack(list(step_losses(model, fitting._sampler().draw(0), weights).values())).sum().backward()
        looked_up = others = 0
        for name, parameter in model.named_parameters():
            if parameter.grad is not None and name.endswith(_TABLES):
                looked_up += parameter.numel()
            elif parameter.grad is not None:
                others += parameter.numel()
        return looked_up, others

    def _lengths(self) -> dict[str, int]:
        return {name: one.config.max_history for name, one in self.loaded.items()}

    def _fitting(self, model: PolysceneModel, learned: Any, folder: Path, progress: Progress) -> Fitting:
        rows = self.config.trainer.batch_rows
        subjects = self.prepared.subjects
        return Fitting(model, learned, self.config, self.loaded, subjects, self.fabric, folder, progress, rows)

    def _tested(self, model: PolysceneModel) -> list[dict[str, Any]]:
        lengths = self._lengths()
        rows: list[dict[str, Any]] = []
        for name, length in lengths.items():
            rows += evaluate_model(model, self.prepared.subjects[name], length, method=OURS, seed=0)
        if any(scenario_of(name) != name for name in lengths):
            rows += evaluate_domains(model, self.prepared.subjects, lengths, method=OURS, seed=0)
        return rows
