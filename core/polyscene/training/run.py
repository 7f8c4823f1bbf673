"""A training run from config to report."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from polyscene.config.plain import to_mapping
from polyscene.config.schema import TrainConfig
from polyscene.data.phases import BEFORE_TEST
from polyscene.data.splits import save_split
from polyscene.evaluation.evaluator import Subject, evaluate_method, model_scorer
from polyscene.evaluation.ratings import evaluate_ratings
from polyscene.registry.host import Host
from polyscene.report import render_terminal, write_html, write_metrics
from polyscene.training.assembly import build_model
from polyscene.training.controls import evaluate_baseline
from polyscene.training.curves import append_metrics, drop_metrics
from polyscene.training.fit import Fitting, State, rows_per_scenario
from polyscene.training.fit import Progress as FitProgress
from polyscene.training.folder import CHECKPOINTS, open_run, write_fingerprint
from polyscene.training.loggers import Logger, NoLogger
from polyscene.training.provenance import source_of
from polyscene.training.session import Session, prepare_torch
from polyscene.training.strategy import JOINT, SINGLE, Plan, Single, Strategy


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
        self.fabric = _fabric(config)
        self.console = Console(stderr=False, quiet=not self.fabric.is_global_zero)
        self.seconds: dict[str, float] = {}
        self.method_seconds: dict[str, dict[str, float]] = {}
        self.rows: list[dict[str, Any]] = []
        self.parameters: dict[str, Any] = {}

    def train(self) -> Path:
        started = time.monotonic()
        prepare_torch(self.config)
        # One rank makes the directory and all use it: the name of a new one holds the time.
        self.folder = self.fabric.broadcast(open_run(self.config) if self.fabric.is_global_zero else Path())
        with (self.folder / "log.txt").open("a", encoding="utf-8") as self.log:
            self._notify("polyscene_run_started", run=self.folder, config=to_mapping(self.config))
            status = "failed"
            try:
                self._stages()
                self.seconds["total"] = time.monotonic() - started
                self._write()
                status = "finished"
            finally:
                self._notify("polyscene_run_finished", run=self.folder, status=status)
        return self.folder

    def _stages(self) -> None:
        self.session = Session(self.config, self.host, self.fabric.device, self._say)
        with self._stage("data"):
            self.loaded = self.session.load()
        with self._stage("fingerprint"):
            fingerprints = {name: one.tables.fingerprint() for name, one in self.loaded.scenarios.items()}
            if self.fabric.is_global_zero:
                for name, one in self.loaded.scenarios.items():
                    save_split(self.folder / "split" / f"{name}.safetensors", one.split)
                write_fingerprint(self.folder, self.config, fingerprints)
        with self._stage("encode"), self.fabric.rank_zero_first():
            self._encode()
        self.subjects = {name: self.session.subject(name, one) for name, one in self.loaded.scenarios.items()}
        logger: Logger = self.config.logger.build(run=self.folder) if self.fabric.is_global_zero else NoLogger()
        try:
            for plan in self._plans():
                self._train_one(plan, logger)
        finally:
            logger.close()
        if self.fabric.is_global_zero:
            with self._stage("controls"):
                self._controls()

    def _encode(self) -> None:
        """Every text through the backbone once, before anything else needs it."""
        texts = [
            text for one in self.loaded.scenarios.values() for column in one.text_columns() for text in column
        ]
        if not texts:
            return
        backbone = self.session.backbone
        if self.config.backbone.tune == "suffix":
            backbone.token_states(texts)
        if self.config.backbone.tune == "frozen" or set(self.config.controls) - {SINGLE}:
            backbone.embed(texts)
        forwards = backbone.forwards
        self._say(
            f"texts: {len(texts):,} in use, {forwards:,} went through the backbone, the others were in the store"
        )

    def _reads_text(self) -> bool:
        return any(one.text_columns() for one in self.loaded.scenarios.values())

    def _plans(self) -> list[Plan]:
        names = list(self.loaded.scenarios)
        strategy: Strategy = self.config.strategy.build()
        plans = strategy.plans(names)
        alone = {plan.scenarios for plan in plans if len(plan.scenarios) == 1}
        if SINGLE in self.config.controls:
            plans += [plan for plan in Single(None).plans(names) if plan.scenarios not in alone]
        return plans

    def _train_one(self, plan: Plan, logger: Logger) -> None:
        names = plan.scenarios
        loaded = replace(self.loaded, scenarios={name: self.loaded.scenarios[name] for name in names})
        batch_rows = self.config.trainer.batch_rows
        if plan.method == SINGLE:
            # A single-scenario model sees as many rows of its scenario as the joint model does.
            batch_rows = rows_per_scenario(self.config, self.loaded.scenarios)[names[0]]
        model, learned = build_model(self.session, loaded)
        if plan.label == JOINT or not self.parameters:
            self._count_parameters(model)
        subjects = {name: self.subjects[name] for name in names}
        curves = self.folder / "metrics.jsonl"
        with self._stage(f"train {plan.label}"), self._bar(plan.label) as advance:

            def started(step: int) -> None:
                if self.fabric.is_global_zero:
                    drop_metrics(curves, step, plan.label, names)
                advance(step)

            def metrics(step: int, values: dict[str, float]) -> None:
                if not self.fabric.is_global_zero:
                    return
                append_metrics(curves, step, plan.label, values)
                logger.log(step, {f"{plan.label}/{key}": value for key, value in values.items()})
                self._notify("polyscene_epoch_finished", run=self.folder, step=step, metrics=values)

            state = Fitting(
                model,
                learned,
                self.config,
                loaded.scenarios,
                subjects,
                self.fabric,
                self.folder / CHECKPOINTS / plan.label,
                FitProgress(started, advance, metrics),
                batch_rows,
            ).run()
        self._say(f"{plan.label}: best at step {state.best_step} of {state.step}, {state.seconds:.0f} s")
        if self.fabric.is_global_zero:
            with self._stage("evaluate"):
                self._evaluate(plan, model, subjects, state)

    def _evaluate(self, plan: Plan, model: Any, subjects: Mapping[str, Subject], state: State) -> None:
        model.eval()
        for name, subject in subjects.items():
            length = self.loaded.scenarios[name].config.max_history
            with torch.inference_mode():
                model.observe(name, subject.events, BEFORE_TEST)
                scorer = model_scorer(model, subject, length)
                rows = evaluate_method(subject, plan.method, lambda _, scorer=scorer: scorer, self.config.seed)
                rows += evaluate_ratings(model, subject, length, plan.method, self.config.seed)
            self._add(name, plan.method, rows, state.seconds / len(subjects))

    def _controls(self) -> None:
        for name, subject in self.subjects.items():
            for control in self.config.controls:
                if control == SINGLE:
                    continue
                rows, seconds = evaluate_baseline(control, subject, self.loaded.scenarios[name], self.session)
                if rows:
                    self._add(name, control, rows, seconds)

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

    def _count_parameters(self, model: Any) -> None:
        per_scenario = model.user_bank.parameters_per_scenario() + model.item_bank.parameters_per_scenario()
        self.parameters = {
            "backbone": self.session.backbone_parameters() if self._reads_text() else 0,
            "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "adapters": dict.fromkeys(model.names, per_scenario),
        }

    def _write(self) -> None:
        if not self.fabric.is_global_zero:
            return
        self.rows.sort(key=lambda row: list(self.loaded.scenarios).index(row["scenario"]))
        self._notify("polyscene_evaluated", run=self.folder, results=self.rows)
        write_metrics(
            self.folder,
            {
                "schema": 1,
                "results": self.rows,
                "seconds": {stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
                "method_seconds": self.method_seconds,
                "memory_mb": _peak_memory_mib(),
                "parameters": self.parameters,
                "backbone_texts": self.session.backbone.forwards,
                "sources": {
                    name: source_of(self.session, name, one) for name, one in self.loaded.scenarios.items()
                },
                "skipped": dict(self.loaded.skipped),
            },
        )
        page = write_html(self.folder)
        render_terminal(self.folder, self.console)
        self.console.print(f"Report: {page}", soft_wrap=True, highlight=False)

    def _notify(self, hook: str, **arguments: Any) -> None:
        """Tell the plugins, once for all processes."""
        if self.fabric.is_global_zero:
            self.host.call(hook, **arguments)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        stage = name.split(maxsplit=1)[0]
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - started

    @contextmanager
    def _bar(self, label: str) -> Iterator[Any]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(f"train {label}", total=self.config.trainer.steps)
            yield lambda step: progress.update(task, completed=step)

    def _say(self, line: str) -> None:
        if self.fabric.is_global_zero:
            self.console.print(line, soft_wrap=True, highlight=False, markup=False)
            self.log.write(line + "\n")
            self.log.flush()


def _fabric(config: TrainConfig) -> Fabric:
    trainer = config.trainer
    # A step may hold some of the scenarios only, so some parameters get no gradient in it.
    strategy = DDPStrategy(find_unused_parameters=True) if trainer.devices > 1 else "auto"
    fabric = Fabric(
        accelerator=trainer.accelerator, devices=trainer.devices, precision=trainer.precision, strategy=strategy
    )
    fabric.launch()
    return fabric


def _peak_memory_mib() -> float:
    """Peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)
