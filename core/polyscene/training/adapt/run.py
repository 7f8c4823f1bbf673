"""``polyscene adapt``: a trained run, a new scenario and a few labelled rows become a new run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from polyscene.config.adapt import ALL, AdaptConfig
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import TrainConfig
from polyscene.data.phases import Phase
from polyscene.data.shots import draw_shots
from polyscene.errors import ConfigError
from polyscene.evaluation.examples import Examples
from polyscene.evaluation.measured import Keep, keep_nothing
from polyscene.evaluation.models import evaluate_model
from polyscene.model import PolysceneModel
from polyscene.registry.host import Host
from polyscene.routing import LABEL
from polyscene.training.adapt.learn import learn
from polyscene.training.adapt.merged import merged_config
from polyscene.training.adapt.model import fresh_model, grown_model
from polyscene.training.adapt.owned import Owned
from polyscene.training.adapt.recognize import learn_to_recognize
from polyscene.training.adapt.save import Adapted, write_run
from polyscene.training.adapt.start import Start, check_new
from polyscene.training.baselines import evaluate_baseline
from polyscene.training.folder import open_run, read_config
from polyscene.training.loading import Loaded, LoadedScenario, with_draw
from polyscene.training.prepare import encode_texts
from polyscene.training.reporter import Reporter
from polyscene.training.restore import find_run, torch_device
from polyscene.training.session import Session, prepare_torch
from polyscene.training.settling import settle_on_rows

ADAPTED, NO_ADAPTATION, SCRATCH, POPULARITY = "adapted", "no_adaptation", "scratch", "popularity"
# Labelled rows that gates are fitted to, at least and at most. A model from scratch has no better ones to keep.
_LEAST_SET_ASIDE, _MOST_SET_ASIDE = {ADAPTED: 500, SCRATCH: 100}, 1_000


def adapt(config: AdaptConfig, host: Host) -> Path:
    """Add a scenario to a trained run and write the new run's directory.

    Args:
        config: the run, the scenario and its shots.
        host: the plugins.

    Returns:
        The new run's directory.

    Raises:
        PolysceneError: for everything that a user can mend.
    """
    folder = find_run(config.run, config.root)
    before = read_config(folder)
    trained = resolve_train({**before, "run": {"dir": str(folder)}}, host)
    check_new(config.name, trained, where=str(folder))
    start = Start.read(folder, trained)
    return _Adaptation(config, merged_config(config, before, trained, host), start, host).run()


@dataclass
class _Fitted:
    """A model after learning, or as it started."""

    model: PolysceneModel
    learned: Any
    read: Tensor | None
    seconds: float


@dataclass
class _Adaptation:
    """One command; its methods are the stages in order."""

    config: AdaptConfig
    merged: TrainConfig
    start: Start
    host: Host
    rows: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    warned: bool = False

    def run(self) -> Path:
        self.name = self.config.name
        prepare_torch(self.merged)
        self.reporter = Reporter(self.host, speaks=True)
        device = torch_device(self.config.device)
        self.session = Session(self.merged, self.host, device, self.reporter.say)
        with self.reporter.stage("data"):
            self.full = self._load()
        self.examples = Examples({self.name: self.full.tables})
        folder = open_run(self.merged)
        with self.reporter.running(folder, self.merged):
            if self.merged.scenario[self.name].max_history < self.config.scenario[self.name].get("max_history", 0):
                longest = self.merged.scenario[self.name].max_history
                self.reporter.say(
                    f"{self.name}: histories of {longest} rows, the longest that the run has learned"
                )
            with self.reporter.stage("encode"):
                encode_texts(self.session, Loaded({self.name: self.full}, {}, ()))
            kept = self._curve()
            self.reporter.seconds["total"] = self.reporter.elapsed()
            write_run(folder, kept, self.reporter)
        return folder

    def _load(self) -> LoadedScenario:
        """The scenario with all rows labelled, if it has enough for every number of shots."""
        own = self.merged.scenario[self.name]
        everything = replace(self.merged, scenario={**self.merged.scenario, self.name: replace(own, shots=None)})
        full = self.session.under(everything).load([self.name]).scenarios[self.name]
        numbers = [count for count in self.config.shots if count != ALL]
        draw_shots(full.split, max(numbers, default=0), 0, where=f"{self.name}, shots")
        task = self.host.component("task", full.scenario.tasks[0].name)
        if getattr(task.build, "judges", False) and any(0 < count < 2 for count in numbers):
            raise ConfigError(
                "1 shot is fewer than the 2 classes of its task, positive and negative",
                where=f"{self.name}, shots",
                fix="ask for 2 or more",
            )
        return full

    def _curve(self) -> Adapted:
        """Every number of shots, draw and method; what is kept is the model that the new run holds."""
        shots, draws = self.config.shots, self.config.draws
        kept: _Fitted | None = None
        kept_one = self.full
        methods = 1 + len(self.config.controls)
        done = 0
        with self.reporter.bar(f"adapt to {self.name}", len(shots) * len(draws) * methods) as bar:
            for count in shots:
                for draw in draws:
                    one = with_draw(self.full, None if count == ALL else count, draw)
                    fitted = self._adapted(one, draw, whole=not (kept or count != shots[-1]), count=count)
                    if kept is None and count == shots[-1]:
                        kept, kept_one = fitted, one
                    bar(done := done + 1)
                    for control in self.config.controls:
                        self._control(control, one, draw, count)
                        bar(done := done + 1)
        assert kept is not None
        return Adapted(
            self.start,
            self.session,
            kept_one,
            kept.model,
            kept.learned,
            kept.read,
            self.rows,
            {method: round(seconds, 3) for method, seconds in self.seconds.items()},
            self.examples.rows(ADAPTED),
        )

    def _adapted(self, one: LoadedScenario, draw: int, *, whole: bool, count: int | str) -> _Fitted:
        fitted = self._fit(one, draw, ADAPTED)
        self._measure(fitted.model, one, ADAPTED, draw, count, population="" if whole else "warm")
        return fitted

    def _fit(self, one: LoadedScenario, draw: int, method: str) -> _Fitted:
        """A model that learned from the shots by one method."""
        started = time.monotonic()
        read = None
        with self.reporter.stage("train"):
            model, learned = self._learned(one, draw, method)
            if method != NO_ADAPTATION:
                self._settle(model, one, draw, method)
            if method == ADAPTED:
                read = learn_to_recognize(model, one, self.start.rows_by_index(), draw)
        seconds = time.monotonic() - started
        self.seconds[method] = self.seconds.get(method, 0.0) + seconds
        return _Fitted(model.eval(), learned, read, seconds)

    def _learned(self, one: LoadedScenario, draw: int, method: str) -> tuple[PolysceneModel, Any]:
        """A model that learned from the labelled rows, and what its encoders learned besides parameters."""
        learned, owned = None, None
        if method == SCRATCH:
            model = fresh_model(self.session, one, draw)
        else:
            model, learned, inherited = grown_model(self.session, self.start, one, draw)
            shares = any(key.partition("-of-")[0] in inherited for key in model.shared.modules_by_key)
            enough = one.split.count(Phase.TRAIN) >= self.config.learn.encoders_from
            # Encoders that nothing was trained of know nothing that few rows could spoil.
            owned = Owned(model, self.name, inherited, encoders=enough or not shares)
            self._warn(model, inherited, shares=shares)
        if method != NO_ADAPTATION:
            rows = self.merged.trainer.batch_rows
            learn(model, one, self.config.learn, owned=owned, seed=draw, rows=rows)
        return model.eval(), learned

    def _settle(self, model: PolysceneModel, one: LoadedScenario, draw: int, method: str) -> None:
        """Weigh network and priors by rows that neither knows: a model that learned without them finds the gates.

        Half of the labelled rows are set aside for it, a thousand at most. With a few hundred labelled rows the
        gates of other scenarios are worth more, and they stay.
        """
        mixture, count = model.mixture(self.name), one.split.count(Phase.TRAIN)
        aside = min(count // 2, _MOST_SET_ASIDE)
        if mixture is None or aside < _LEAST_SET_ASIDE[method]:
            return
        less = with_draw(self.full, count - aside, draw)
        other, _ = self._learned(less, draw, method)
        user, row = one.events.rows([Phase.TRAIN])
        new = ~np.isin(row, less.events.rows([Phase.TRAIN])[1])
        settle_on_rows(other, self.session.subject(self.name, less), one.config.max_history, user[new], row[new])
        found = other.mixture(self.name)
        assert found is not None
        mixture.load_state_dict(found.state_dict())

    def _warn(self, model: PolysceneModel, inherited: frozenset[str], *, shares: bool) -> None:
        """Say once what the run cannot give the scenario: an encoder in common, a place in its router."""
        if self.warned:
            return
        self.warned = True
        if model.router is not None and not self.start.remembered:
            self.reporter.say(
                f"warning: the run remembers no rows of its scenarios, so its router cannot learn {self.name}: "
                "train it again"
            )
        if shares:
            return
        shared = ", ".join(sorted(inherited)) or "nothing"
        text = "" if self.full.text_columns() else " (it has no text)"
        self.reporter.say(
            f"warning: {self.name} has no encoder in common with the run{text}, which shares {shared}: nothing is "
            "known of its items and users at the start, and only the sequence model and adapters transfer"
        )

    def _control(self, control: str, one: LoadedScenario, draw: int, count: int | str) -> None:
        if control == POPULARITY:
            subject = self.session.subject(self.name, one)
            rows, seconds = evaluate_baseline(
                POPULARITY, subject, one, self.session, self._keep(control, draw, count), population="warm"
            )
            self.seconds[POPULARITY] = self.seconds.get(POPULARITY, 0.0) + seconds
            self._add(rows, POPULARITY, draw, count)
            return
        if control == NO_ADAPTATION:
            if count != self.config.shots[0]:  # it sees no shots, so it is the same for every number of them
                same = [row for row in self.rows if (row["method"], row["seed"]) == (NO_ADAPTATION, draw)]
                self._add([row for row in same if row["shots"] == same[0]["shots"]], control, draw, count)
                return
            one = with_draw(self.full, 0, draw)
        self._measure(self._fit(one, draw, control).model, one, control, draw, count)

    def _measure(
        self,
        model: PolysceneModel,
        one: LoadedScenario,
        method: str,
        draw: int,
        count: int | str,
        *,
        population: str = "warm",
    ) -> None:
        subject = self.session.subject(self.name, one)
        with self.reporter.stage("evaluate"):
            rows = evaluate_model(
                model,
                subject,
                one.config.max_history,
                method=method,
                seed=draw,
                population=population,
                route=LABEL,
                keep=self._keep(method, draw, count),
            )
        self._add(rows, method, draw, count)

    def _keep(self, method: str, draw: int, count: int | str) -> Keep:
        """Examples are of the model that the new run holds, and of what stands beside it."""
        shown = draw == self.config.draws[0] and (count == self.config.shots[-1] or method == NO_ADAPTATION)
        return self.examples.add if shown else keep_nothing

    def _add(self, rows: list[dict[str, Any]], method: str, draw: int, count: int | str) -> None:
        shots = self.full.split.count(Phase.TRAIN) if count == ALL else int(count)
        self.rows += [{**row, "seed": draw, "shots": shots} for row in rows if row["method"] == method]
