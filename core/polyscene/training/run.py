"""A training run from config to report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from polyscene.backbone import Suffix
from polyscene.config.controls import CHANGES, MODELS, SINGLE
from polyscene.config.schema import TrainConfig
from polyscene.data.domains import scenario_of
from polyscene.evaluation.by_count import ByCount
from polyscene.evaluation.examples import Examples
from polyscene.evaluation.measured import Measured
from polyscene.evaluation.models import evaluate_domains, evaluate_model, in_order, parts_of
from polyscene.evaluation.per_request import PerRequest
from polyscene.features.text import TextEncoder
from polyscene.model import PolysceneModel
from polyscene.registry.host import Host
from polyscene.report import render_terminal, write_html, write_metrics
from polyscene.training.baselines import evaluate_baseline
from polyscene.training.controls import changed_names, control_of, control_plans
from polyscene.training.devices import launch_fabric
from polyscene.training.folder import open_run
from polyscene.training.loggers import Logger, NoLogger
from polyscene.training.models import ModelTrainer
from polyscene.training.prepare import prepare
from polyscene.training.provenance import source_of
from polyscene.training.reporter import Reporter, device_facts, peak_memory_mib
from polyscene.training.scenario_facts import scenario_facts
from polyscene.training.session import Session, prepare_torch
from polyscene.training.strategy import JOINT, Plan, Single, Strategy


def train(config: TrainConfig, host: Host) -> Path:
    """Train what the config says, evaluate it beside its controls, and write the run directory.

    Args:
        config: a checked config.
        host: the plugins.

    Returns:
        The run directory.

    Raises:
        PolysceneError: for everything that a user can mend.
    """
    return _Run(config, host).train()


class _Run:
    """One training run; its methods are the stages in order."""

    def __init__(self, config: TrainConfig, host: Host) -> None:
        self.config, self.host = config, host
        self.fabric = launch_fabric(config.trainer)
        self.reporter = Reporter(host, speaks=self.fabric.is_global_zero)
        self.method_seconds: dict[str, dict[str, float]] = {}
        self.rows: list[dict[str, Any]] = []
        self.parameters: dict[str, Any] = {}
        self.per_request, self.by_count = PerRequest(), ByCount()

    def train(self) -> Path:
        prepare_torch(self.config)
        # One rank makes the directory and all use it: the name of a new one holds the time.
        self.folder = self.fabric.broadcast(open_run(self.config) if self.fabric.is_global_zero else Path())
        with self.reporter.running(self.folder, self.config):
            # Made first: a tool that is not installed says so before data is loaded.
            logger: Logger = (
                self.config.logger.build(run=self.folder) if self.fabric.is_global_zero else NoLogger()
            )
            try:
                self._stages(logger)
                logger.log_results(self.rows)
            finally:
                logger.close()
            self.reporter.seconds["total"] = self.reporter.elapsed()
            self._write()
        return self.folder

    def _stages(self, logger: Logger) -> None:
        self.session = Session(self.config, self.host, self.fabric.device, self.reporter.say)
        prepared = prepare(self.session, self.fabric, self.reporter, self.folder)
        self.loaded, self.subjects = prepared.loaded, prepared.subjects
        self.examples = Examples({name: one.tables for name, one in self.loaded.scenarios.items()})
        trainer = ModelTrainer(prepared, self.fabric, self.reporter, logger, self.folder)
        for plan in self._plans():
            model, state = trainer.train(plan)
            if self.fabric.is_global_zero:
                if plan.label == JOINT or not self.parameters:
                    self._count_parameters(model)
                with self.reporter.stage("evaluate"):
                    self._evaluate(plan, model, state.seconds)
        if self.fabric.is_global_zero:
            with self.reporter.stage("controls"):
                self._controls()

    def _plans(self) -> list[Plan]:
        names = list(self.loaded.scenarios)
        strategy: Strategy = self.config.strategy.build()
        plans = strategy.plans(names)
        self.own = {plan.label for plan in plans}
        alone = {plan.scenarios for plan in plans if len(plan.scenarios) == 1}
        controls: list[Plan] = []
        for control in self.config.controls:
            if control == SINGLE:
                controls += [plan for plan in Single(None).plans(names) if plan.scenarios not in alone]
            elif control in CHANGES:
                controls += control_plans(control, plans, self.loaded)
        return plans + controls

    def _evaluate(self, plan: Plan, model: PolysceneModel, seconds: float) -> None:
        model.eval()
        reported = changed_names(control_of(plan.label), self.loaded)
        lengths = {
            name: self.loaded.scenarios[name].config.max_history for name in plan.scenarios if name in reported
        }
        for name, length in lengths.items():
            rows = evaluate_model(
                model,
                self.subjects[name],
                length,
                method=plan.method,
                seed=self.config.seed,
                keep=self._keep,
            )
            self._add(name, plan.method, rows, seconds / len(plan.scenarios))
            if plan.label in self.own:
                self._parts(model, name, length)
        subjects = {name: self.subjects[name] for name in lengths}
        together = evaluate_domains(model, subjects, lengths, method=plan.method, seed=self.config.seed)
        for name in dict.fromkeys(row["scenario"] for row in together):
            self._add(name, plan.method, [row for row in together if row["scenario"] == name], seconds)

    def _parts(self, model: PolysceneModel, name: str, length: int) -> None:
        """The parts of the run's own scores that the config names as controls."""
        for part in parts_of(model, name, self.config.controls):
            started = time.monotonic()
            rows = evaluate_model(
                model,
                self.subjects[name],
                length,
                method=part,
                seed=self.config.seed,
                part=part,
                keep=self._keep,
            )
            self._add(name, part, rows, time.monotonic() - started)

    def _controls(self) -> None:
        for name, subject in self.subjects.items():
            for control in self.config.controls:
                if control in MODELS:
                    continue
                rows, seconds = evaluate_baseline(
                    control, subject, self.loaded.scenarios[name], self.session, self._keep
                )
                if rows:
                    self._add(name, control, rows, seconds)

    def _keep(self, measured: Measured) -> None:
        for keeper in (self.per_request, self.by_count, self.examples):
            keeper.add(measured)

    def _add(self, name: str, method: str, rows: list[dict[str, Any]], seconds: float) -> None:
        # The control of a rating task is the same for every model: it is kept once.
        known = {
            (row["scenario"], row["method"], row["view"], row["population"], row["metric"]) for row in self.rows
        }
        self.rows += [
            row
            for row in rows
            if (row["scenario"], row["method"], row["view"], row["population"], row["metric"]) not in known
        ]
        self.method_seconds.setdefault(name, {})[method] = seconds

    def _count_parameters(self, model: PolysceneModel) -> None:
        suffixes = [module for module in model.modules() if isinstance(module, Suffix)]
        reads_text = any(isinstance(module, TextEncoder) for module in model.modules())
        self.parameters = {
            "backbone": self.session.backbone_parameters() if reads_text else 0,
            "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "adapters": {
                name: sum(bank.parameters_per_scenario(k) for bank in model.banks())
                + sum(suffix.parameters_per_scenario(scenario_of(name)) for suffix in suffixes)
                for name, k in model.index.items()
            },
        }
        if model.router is not None:
            self.parameters["router"] = sum(p.numel() for p in model.router.parameters())

    def _write(self) -> None:
        if not self.fabric.is_global_zero:
            return
        self.rows = in_order(self.rows, list(self.loaded.scenarios))
        self.reporter.notify("polyscene_evaluated", run=self.folder, results=self.rows)
        self.per_request.write(self.folder)
        write_metrics(
            self.folder,
            {
                "schema": 1,
                "results": self.rows,
                "seconds": {stage: round(seconds, 3) for stage, seconds in self.reporter.seconds.items()},
                "method_seconds": self.method_seconds,
                "memory_mb": peak_memory_mib(),
                "device": device_facts(self.session.device),
                "parameters": self.parameters,
                "backbone_texts": self.session.backbone.forwards,
                "sources": {
                    name: source_of(self.session, name, one) for name, one in self.loaded.scenarios.items()
                },
                "scenarios": scenario_facts(self.loaded),
                "by_count": self.by_count.rows(),
                "examples": self.examples.rows(),
                "skipped": dict(self.loaded.skipped),
            },
        )
        page = write_html(self.folder)
        render_terminal(self.folder, self.reporter.console)
        self.reporter.console.print(f"Report: {page}", soft_wrap=True, highlight=False)
