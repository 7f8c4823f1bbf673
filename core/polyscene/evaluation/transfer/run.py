"""``polyscene transfer``: models trained on each scenario and on all, tested on each, with several seeds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from polyscene.config.transfer import TransferConfig
from polyscene.errors import DataNotAvailable, PolysceneError
from polyscene.evaluation.transfer.cosines import gradient_cosines
from polyscene.evaluation.transfer.document import document
from polyscene.evaluation.transfer.everywhere import evaluate_everywhere
from polyscene.evaluation.transfer.results import Found, Results
from polyscene.evaluation.transfer.rows import Row, rows_of
from polyscene.registry.host import Host
from polyscene.report import print_transfer, write_transfer, write_transfer_page
from polyscene.report.page import FILE as REPORT
from polyscene.training.assembly import build_model
from polyscene.training.baselines import evaluate_baseline
from polyscene.training.devices import launch_fabric
from polyscene.training.folder import CHECKPOINTS, open_run
from polyscene.training.loggers import Logger, NoLogger
from polyscene.training.models import ModelTrainer
from polyscene.training.prepare import prepare
from polyscene.training.provenance import source_of
from polyscene.training.reporter import Reporter, peak_memory_mib
from polyscene.training.scenario_facts import scenario_facts
from polyscene.training.session import Session, prepare_torch


def transfer(config: TransferConfig, host: Host) -> Path:
    """Train and test the rows of the matrix that are not finished yet, and write the run directory.

    Args:
        config: a checked config.
        host: the plugins.

    Returns:
        The run directory.

    Raises:
        PolysceneError: for everything that a user can mend.
    """
    return _Transfer(config, host).run()


class _Transfer:
    """One transfer run; its methods are the stages in order."""

    def __init__(self, config: TransferConfig, host: Host) -> None:
        self.config = config
        self.fabric = launch_fabric(config.trainer)
        self.reporter = Reporter(host, speaks=self.fabric.is_global_zero)
        self.session = Session(config, host, self.fabric.device, self.reporter.say)
        self.failed: dict[str, str] = {}

    def run(self) -> Path:
        prepare_torch(self.config)
        for balancer in (self.config.balancer, *self.config.balancers):
            balancer.build(names=list(self.config.scenario))  # one that needs what is not installed says so now
        # One rank makes the directory and all use it: the name of a new one holds the time.
        self.folder = self.fabric.broadcast(open_run(self.config) if self.fabric.is_global_zero else Path())
        self.results = Results(self.folder)
        with self.reporter.running(self.folder, self.config):
            self.prepared = prepare(self.session, self.fabric, self.reporter, self.folder)
            self.names = tuple(self.prepared.loaded.scenarios)
            if len(self.names) < 2:
                raise DataNotAvailable(
                    f"only {', '.join(self.names)} has its data, and transfer needs two scenarios",
                    fix="`polyscene data list` shows what is at hand",
                )
            self.rows = rows_of(self.config, self.names)
            try:
                self._controls()
                for seed in self.config.seeds:
                    self._seed(seed)
                    self._write("running")
            except KeyboardInterrupt:
                self._finish("interrupted")
                self.reporter.say(f"Stopped; the same command with run.dir={self.folder} goes on.")
                raise
            self._finish("finished")
        if self.failed:
            lines = "\n".join(f"  - {name}: {reason}" for name, reason in self.failed.items())
            raise PolysceneError(
                f"{len(self.failed)} model(s) could not be trained; the report has the others\n{lines}",
                where=str(self.folder),
                fix=f"repeat the command with run.dir={self.folder} to try these again",
            )
        return self.folder

    def _controls(self) -> None:
        for control in self.config.controls if self.fabric.is_global_zero else ():
            if self.results.has(control, None):
                continue
            with self.reporter.stage("controls"):
                rows = [
                    row
                    for name, subject in self.prepared.subjects.items()
                    for row in evaluate_baseline(
                        control, subject, self.prepared.loaded.scenarios[name], self.session
                    )[0]
                ]
            self.results.write(Found(control, None, rows))

    def _seed(self, seed: int) -> None:
        """Train the rows that this seed lacks. The first process decides which, so that all agree."""
        labels = self.fabric.broadcast([row.label for row in self.rows if not self.results.has(row.label, seed)])
        lacking = [row for row in self.rows if row.label in labels]
        if len(lacking) < len(self.rows):
            self.reporter.say(
                f"seed {seed}: {len(self.rows) - len(lacking)} of {len(self.rows)} models are finished"
            )
        elif lacking:
            self.reporter.say(f"seed {seed}: {len(lacking)} models")
        folder = self.results.of_seed(seed)
        first = self.fabric.is_global_zero
        if first:
            folder.mkdir(exist_ok=True)
        logger: Logger = self.config.logger.build(run=folder) if first else NoLogger()
        try:
            for row in lacking:
                self._row(row, seed, logger)
            logger.log_results([])  # the matrix is no list of results; the run is over without a failure
        finally:
            logger.close()

    def _row(self, row: Row, seed: int, logger: Logger) -> None:
        prepared = replace(self.prepared, session=self.session.under(row.config(self.config, seed)))
        folder = self.results.of_seed(seed)
        seconds = 0.0
        try:
            if row.trained:
                trainer = ModelTrainer(prepared, self.fabric, self.reporter, logger, folder)
                model, state = trainer.train(row.plan(self.names))
                seconds = state.seconds
            else:
                model, _ = build_model(prepared.session, prepared.loaded)
        except PolysceneError as error:
            # Another row may well do without whatever broke this one.
            self.failed[f"seed{seed}/{row.label}"] = str(error)
            self.reporter.say(f"{row.label}: not trained: {error}")
            return
        if self.fabric.is_global_zero:
            with self.reporter.stage("evaluate"):
                self.results.write(evaluate_everywhere(model, prepared, row.label, seed, seconds))
            # What the model was is not needed any more, and many models would fill the disk.
            shutil.rmtree(folder / CHECKPOINTS / row.label, ignore_errors=True)

    def _finish(self, status: str) -> None:
        self.reporter.seconds["total"] = self.reporter.elapsed()
        self._write(status)
        if self.fabric.is_global_zero:
            print_transfer(self.folder, self.reporter.console)
            page = self.folder / REPORT
            self.reporter.console.print(f"Report: {page}", soft_wrap=True, highlight=False)

    def _write(self, status: str) -> None:
        """transfer.json and the page, with what is finished by now."""
        if not self.fabric.is_global_zero:
            return
        wanted = [(control, None) for control in self.config.controls]
        wanted += [(row.label, seed) for seed in self.config.seeds for row in self.rows]
        found = [self.results.read(*key) for key in wanted if self.results.has(*key)]
        loaded = self.prepared.loaded
        write_transfer(
            self.folder,
            {
                **document(self.config, self.names, self.rows, found, failed=self.failed, status=status),
                "cosines": gradient_cosines(self.results.of_seed(seed) for seed in self.config.seeds),
                "model_seconds": {
                    f"seed{one.seed}/{one.label}": round(one.seconds, 3) for one in found if one.seed is not None
                },
                "seconds": {stage: round(spent, 3) for stage, spent in self.reporter.seconds.items()},
                "memory_mb": peak_memory_mib(),
                "sources": {name: source_of(self.session, name, one) for name, one in loaded.scenarios.items()},
                "data": scenario_facts(loaded),
                "skipped": dict(loaded.skipped),
            },
        )
        write_transfer_page(self.folder)
