"""``polyscene update``: the promoted model learns from new feedback, and is replaced where that helps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polyscene.errors import ConfigError, ServingError, did_you_mean
from polyscene.feedback import FeedbackLog, open_log
from polyscene.model import PolysceneModel
from polyscene.registry.host import Host
from polyscene.serving.arrivals import Arrivals
from polyscene.serving.counting import read_update
from polyscene.serving.deployment import Deployment
from polyscene.serving.live import warm
from polyscene.serving.reactions.reading import Feedback, Row, read_feedback
from polyscene.serving.startup import load_engine, log_address
from polyscene.training.reporter import Reporter
from polyscene.training.restore import RestoredRun, restore
from polyscene.training.strategy import JOINT
from polyscene.updating.base import base_version, serving
from polyscene.updating.config import UpdateConfig
from polyscene.updating.record import check_erased, facts_of, told_of
from polyscene.updating.scenario import Updated, cannot_learn, prepare, update_scenario
from polyscene.updating.version import BY, updating, write_version


@dataclass
class Outcome:
    """What an update came to.

    Args:
        base: the version that it learned from.
        version: the version that it wrote; empty where it wrote none.
        promoted: whether that serves now.
        updated: what was learned and measured, by scenario.
        waits: why other scenarios of the log learned nothing.
        passed: how many events were passed over, by scenario and reason.
    """

    base: str
    version: str = ""
    promoted: bool = False
    updated: dict[str, Updated] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)
    passed: dict[str, dict[str, int]] = field(default_factory=dict)


def update(config: UpdateConfig, host: Host, reporter: Reporter) -> Outcome:
    """Update a deployment. One that is killed at any moment leaves it as it was, or wholly updated.

    Raises:
        PolysceneError: another update is at work, there is no log or nothing to begin with, or a version cannot be
            loaded or written; the deployment is then as it was.
    """
    if not config.run and not Path(config.deployment).is_dir():
        raise ServingError(
            "there is no such deployment, and no run to begin one with",
            where=config.deployment,
            fix="give deployment=FOLDER, or run=RUN",
        )
    deployment = Deployment(config.deployment)
    with updating(deployment) as work:
        base = base_version(deployment, config, reporter.say)
        with closing(open_log(log_address(serving(config)), create=False)) as log:
            return _Update(config, host, reporter, deployment, log, base).run(work)


@dataclass
class _Update:
    """One update; its methods are the stages in order."""

    config: UpdateConfig
    host: Host
    reporter: Reporter
    deployment: Deployment
    log: FeedbackLog
    base: str

    def __post_init__(self) -> None:
        self.folder = self.deployment.path_of(self.base)
        self.before = read_update(self.folder)
        self.outcome = Outcome(self.base)

    def run(self, work: Path) -> Outcome:
        run = restore(str(self.folder), self.host, root="", data=self.config.data, device=self.config.device)
        label = next((label for label in run.labels() if label == JOINT), run.labels()[0])
        found = self._new(run.scenarios_of(label))
        if not found:
            return self.outcome
        with self.reporter.stage("load"):
            model = run.model(label)
        self._learn(run, model, found)
        if self.outcome.updated:
            self._conclude(work, label, model)
        return self.outcome

    def _new(self, names: list[str]) -> dict[str, Feedback]:
        """New feedback of the scenarios that are to learn, if there is any."""
        after = {name: self._known(name).get("to", 0) for name in names}
        found = read_feedback(self.log, after, self.log.last(), self.config.kinds)
        wanted = self.config.scenario or names
        for name in wanted:
            if name not in names:
                raise ConfigError(
                    f"the model has no scenario '{name}'", where="scenario", fix=did_you_mean(name, names)
                )
        news = {}
        for name, feedback in found.items():
            self.outcome.passed[name] = dict(feedback.passed)
            if name not in names:
                count = len(feedback.rows) + len(feedback.shown)
                self.outcome.waits[name] = f"the model has no such scenario; {count} events are passed over"
            elif name in wanted and feedback.last > self._known(name).get("seen", 0) and feedback.rows:
                news[name] = feedback
        return news

    def _learn(self, run: RestoredRun, model: PolysceneModel, found: Mapping[str, Feedback]) -> None:
        arrived: dict[str, list[list[dict[str, Any]]]] = {}
        for _, name, rows in Arrivals(self.deployment).after(0):
            arrived.setdefault(name, []).append(rows)
        for name, feedback in found.items():
            loaded = run.loaded.scenarios[name]
            reason = cannot_learn(model, name, loaded)
            if reason:
                self.outcome.waits[name] = reason
                continue
            after = self._known(name).get("to", 0)
            prepared = prepare(
                run.session,
                model.main_task(name),
                loaded,
                feedback,
                earlier=self._earlier(name, after),
                after=after,
                counted=self._known(name).get("counted", 0),
                arrived=arrived.get(name, ()),
                config=self.config,
            )
            self.outcome.passed[name] = dict(+prepared.passed)
            if prepared.waits:
                self.outcome.waits[name] = prepared.waits
                continue
            with self.reporter.bar(f"update {name}", self.config.learn.steps) as bar:
                updated = update_scenario(
                    run.session,
                    model,
                    prepared,
                    self.config,
                    own_items=len(loaded.tables.items),
                    first=self._known(name).get("first"),
                    progress=bar,
                )
            self.outcome.updated[name] = updated

    def _conclude(self, work: Path, label: str, model: PolysceneModel) -> None:
        """Write and promote what was taken; note in any case what was decided."""
        taken = {name: one for name, one in self.outcome.updated.items() if one.decision.promote}
        kept = taken or (self.outcome.updated if self._keeps() else {})
        if self.config.dry_run:
            return
        if kept and not taken:
            for one in kept.values():
                one.learned.redo()
        if kept:
            changed = [tensor for one in kept.values() if not one.counts_alone for tensor in one.learned.tensors]
            facts = facts_of(self.base, self.before, {name: self._told(name, one) for name, one in kept.items()})
            place = write_version(work, self.folder, label, model, changed=changed, facts=facts)
            for name, one in kept.items():
                check_erased(self.log, name, one.prepared.rows.number_X)
            self.outcome.version = self.deployment.adopt(place, by=BY)
            self._try()
        self._note(promoted=bool(taken))
        if taken:
            why = "; ".join(f"{name}: {one.decision.reasons[0]}" for name, one in taken.items())
            self.deployment.promote(self.outcome.version, by=BY, why=why, over=self.base)
            self.outcome.promoted = True

    def _try(self) -> None:
        """Load the version as a server does, and answer a request of each scenario: it is as good as it says."""
        engine, _ = load_engine(self.deployment, self.outcome.version, serving(self.config), self.host)
        warm(engine, texts=False)

    def _keeps(self) -> bool:
        return self.config.keep_refused or self.config.promotion == "never"

    def _earlier(self, name: str, after: int) -> list[Row]:
        """What the log told of a scenario before what is new."""
        if not after:
            return []
        found = read_feedback(self.log, {name: 0}, after, self.config.kinds, scenario=name)
        return found[name].rows if name in found else []

    def _known(self, name: str) -> dict[str, Any]:
        """What earlier updates of a scenario left."""
        return self.before["scenarios"].get(name, {})

    def _told(self, name: str, one: Updated) -> dict[str, Any]:
        return told_of(one, self._known(name), self.config)

    def _note(self, *, promoted: bool) -> None:
        told = {
            name: {key: value for key, value in self._told(name, one).items() if key != "passed"}
            for name, one in self.outcome.updated.items()
        }
        with self.deployment.locked():
            self.deployment.audit.note(
                "update",
                by=BY,
                base=self.base,
                version=self.outcome.version or None,
                promote=promoted,
                scenarios=told,
            )
