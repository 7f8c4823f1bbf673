"""The models of a run: each is built, trained from where it was left, and recorded in curves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from polyscene.model import PolysceneModel
from polyscene.routing import RECOGNITION
from polyscene.training.assembly import build_model
from polyscene.training.checkpoint import save_adapters
from polyscene.training.controls import changed, changed_config, control_of
from polyscene.training.curves import append_metrics, drop_metrics
from polyscene.training.fit import Fitting, Progress, State, rows_per_scenario
from polyscene.training.folder import CHECKPOINTS
from polyscene.training.loading import Loaded
from polyscene.training.loggers import Logger
from polyscene.training.prepare import Prepared
from polyscene.training.remembered import remembered, save_remembered
from polyscene.training.reporter import Reporter
from polyscene.training.selfsupervised import HistoryFitting
from polyscene.training.strategy import Plan

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class ModelTrainer:
    """Trains the models that plans describe, one after the other.

    Args:
        prepared: data and session, with the config that the models follow.
        fabric: devices and precision.
        reporter: receives lines, bars and seconds.
        logger: receives the values of the curves.
        folder: where curves and checkpoints go.
    """

    prepared: Prepared
    fabric: Fabric
    reporter: Reporter
    logger: Logger
    folder: Path

    def train(self, plan: Plan) -> tuple[PolysceneModel, State]:
        """The plan's model in its best state, and what its training remembers.

        Raises:
            PolysceneError: a part cannot be built, or the loss is not a number.
        """
        prepared, config = self.prepared, self.prepared.session.config
        control = control_of(plan.label)
        loaded = replace(
            prepared.loaded, scenarios={name: prepared.loaded.scenarios[name] for name in plan.scenarios}
        )
        loaded = changed(control, loaded, config.seed, prepared.session.host)
        model, learned = build_model(prepared.session.under(changed_config(control, config)), loaded)
        self._learn_histories(plan, model, loaded)
        with self.reporter.stage("train"), self.reporter.bar(f"train {plan.label}", config.trainer.steps) as bar:
            state = Fitting(
                model,
                learned,
                config,
                {name: loaded.scenarios[name] for name in plan.learned},
                {name: prepared.subjects[name] for name in plan.learned},
                self.fabric,
                self.folder / CHECKPOINTS / plan.label,
                self._progress(plan, Progress(step=bar)),
                self._batch_rows(plan),
            ).run()
        if self.fabric.is_global_zero:
            save_adapters(self.folder / CHECKPOINTS / plan.label, model)
            learned_by_router = {name: loaded.scenarios[name] for name in plan.learned}
            rows = remembered(model, learned_by_router, config.seed)
            save_remembered(self.folder / CHECKPOINTS / plan.label, rows)
        self.reporter.say(f"{plan.label}: best at step {state.best_step} of {state.step}, {state.seconds:.0f} s")
        return model, state

    def _learn_histories(self, plan: Plan, model: PolysceneModel, loaded: Loaded) -> None:
        """The steps that need no labels, unless training has gone past them."""
        config, folder = self.prepared.session.config, self.folder / CHECKPOINTS / plan.label
        steps = config.trainer.pretrain_steps
        if not steps or (folder / "training.json").is_file():
            return
        scenarios = {name: loaded.scenarios[name] for name in plan.learned}
        with self.reporter.stage("train"), self.reporter.bar(f"histories of {plan.label}", steps) as bar:
            losses = HistoryFitting(
                model, config, scenarios, self.fabric, folder / "histories", self._batch_rows(plan), bar
            ).run()
        fell = f"{losses[0]:.2f} to {losses[-1]:.2f}"
        self.reporter.say(f"{plan.label}: {steps} steps without labels, contrast of histories {fell}")

    def _batch_rows(self, plan: Plan) -> int:
        """A model of some scenarios sees as many rows of each as the joint model does."""
        config, scenarios = self.prepared.session.config, self.prepared.loaded.scenarios
        if set(plan.learned) == set(scenarios):
            return config.trainer.batch_rows
        rows = rows_per_scenario(config, scenarios)
        return sum(rows[name] for name in plan.learned)

    def _progress(self, plan: Plan, bar: Progress) -> Progress:
        """Writes curves, tells the logger and the plugins, and moves the bar."""
        curves = self.folder / "metrics.jsonl"

        def started(step: int) -> None:
            if self.fabric.is_global_zero:
                drop_metrics(curves, step, plan.label, [*plan.scenarios, RECOGNITION])
            bar.step(step)

        def metrics(step: int, values: dict[str, float]) -> None:
            if not self.fabric.is_global_zero:
                return
            append_metrics(curves, step, plan.label, values)
            self.logger.log(step, {f"{plan.label}/{key}": value for key, value in values.items()})
            self.reporter.notify("polyscene_epoch_finished", run=self.folder, step=step, metrics=values)

        return Progress(started, bar.step, metrics)
