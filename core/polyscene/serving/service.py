"""The service: what every route asks for, of one worker process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from polyscene.errors import ServingError
from polyscene.experiments.plan import Plan
from polyscene.feedback import Event, Impression, open_log, to_mapping
from polyscene.serving.appending import Appender
from polyscene.serving.audit import append_line
from polyscene.serving.batching import Batcher
from polyscene.serving.choices import Choices
from polyscene.serving.choosing import Chosen
from polyscene.serving.config import ServeConfig
from polyscene.serving.control import Control
from polyscene.serving.deployment import Deployment
from polyscene.serving.engine import Answer, Put, Request, ScenarioInfo, Scored
from polyscene.serving.followed import FollowedVersions
from polyscene.serving.history import Had, history_of
from polyscene.serving.impressions import log_shown
from polyscene.serving.live import ERASED, Live
from polyscene.serving.metrics import Metrics
from polyscene.serving.startup import log_address
from polyscene.serving.versions import Versions
from polyscene.serving.watching import Watch, Watched

_LOG_WAIT_S = 2.0
_BEHIND = "what users did lately is not known: the feedback log or the items cannot be read"


class NoOther(ServingError):
    """No version is loaded beside the promoted one."""


@dataclass(frozen=True)
class Shown:
    """A recommended list.

    Args:
        answer: its items in the order shown.
        chosen: how they came about.
        impression: as it was logged; None where it was not.
        degraded: what is not as it should be, in words.
    """

    answer: Answer
    chosen: Chosen
    impression: Impression | None
    degraded: list[str]


class Service:
    """One worker's model, log and what is between them.

    Args:
        config: the options.
        deployment: versions and what arrived.
        promoted: the promoted version, freshly loaded, with what chooses in front of it.
        load: loads a version; called in a thread of its own.
        others: versions that arms of experiments name, and the one that the page compares, by name.
        plan: who chooses for whom.
        problems: what of the plan cannot be followed, in words.
        control: leads to the process that exchanges workers; None where this one exchanges its model.
    """

    def __init__(
        self,
        config: ServeConfig,
        deployment: Deployment,
        promoted: Choices,
        load: Callable[[str], Choices],
        *,
        others: Mapping[str, Choices] | None = None,
        plan: Plan | None = None,
        problems: Sequence[str] = (),
        control: Control | None = None,
    ) -> None:
        self.config, self.deployment, self.metrics = config, deployment, Metrics(deployment.folder / "drift")
        self.plan, self.problems = plan or Plan(), list(problems)
        self._load, self._first, self._control = load, [promoted], control
        self._loaded = dict(others or {})
        self._others: dict[str, Batcher] = {}

    def open(self) -> None:
        """Open the log, catch up with what happened, and start the threads. Once, in the process that answers."""
        self.log = open_log(log_address(self.config), wait=_LOG_WAIT_S)
        # Handed on: what is exchanged for another version must not be held here.
        live = self._following(self._first.pop())
        self.batcher = self._batcher(live, answered=self.metrics.batch.observe)
        self._others = {name: self._batcher(self._following(one)) for name, one in self._loaded.items()}
        self._loaded.clear()
        self.appender = Appender(self.log, self.config.limits.events)
        self.versions = self._versions()
        self.watch = Watch(self.plan, self.log, self.deployment.folder / ERASED)
        self.metrics.serves(live.engine.version)

    def close(self) -> None:
        """Serve what waits, and let go of everything."""
        for batcher in (self.batcher, *self._others.values()):
            batcher.close()
        self.appender.close()
        self.log.close()

    @property
    def live(self) -> Live:
        """The model that answers now."""
        return self.batcher.live

    async def recommend(self, request: Request) -> Shown:
        """Items for a user, logged before they are given out."""
        answer, chosen = await self._chosen(request)
        impression, trouble = await log_shown(self.appender, request, answer, chosen)
        degraded = [one for one in (trouble, chosen.trouble) if one]
        if trouble or impression is None:
            self.metrics.failures.labels("impressions").inc()
        else:
            self.metrics.happened([impression], self.live.names)
        if self.live.trouble:
            self.metrics.failures.labels("following").inc()
            degraded.append(_BEHIND)
        self.metrics.answered(answer, asked=len(request.history or ()) + len(request.exclude), logged=not trouble)
        return Shown(answer, chosen, impression, degraded)

    async def similar(self, scenario: str, item: str, k: int, **options: Any) -> Scored:
        """Items like one."""
        return await self.batcher.do(lambda live: live.engine.similar(scenario, item, k, **options))

    async def score(self, request: Request, items: Sequence[str]) -> Answer:
        """Scores of given items."""
        return await self.batcher.do(lambda live: live.engine.score(request, items))

    async def history(self, scenario: str, user: str, count: int) -> list[Had]:
        """What a user had, latest first."""
        return await self.batcher.do(lambda live: history_of(live.engine, scenario, user, count))

    async def ask_beside(self, request: Request) -> tuple[Answer, Chosen]:
        """The answer of the version that is loaded beside the promoted one, for comparison; it is not logged.

        Raises:
            NoOther: there is none, or it knows of a user who was erased.
        """
        batcher = self._others.get(self.config.beside)
        if batcher is None or batcher.live.stale:
            raise NoOther("no version is loaded beside the promoted one", fix="start with beside=VERSION")
        return await batcher.ask(request)

    async def put_items(self, scenario: str, rows: Sequence[Mapping[str, Any]]) -> Put:
        """Add or change items; served from now on, and kept."""
        return await self.batcher.do(lambda live: live.put_items(scenario, rows))

    async def feedback(self, events: Sequence[Event]) -> None:
        """Keep events; they are on disk when this returns."""
        await self.appender.append(events)
        self.metrics.happened(events, self.live.names)

    async def scenarios(self) -> list[ScenarioInfo]:
        """What is served."""
        return await self.batcher.do(lambda live: live.engine.scenarios())

    async def experiments(self) -> dict[str, Watched]:
        """The experiments that run, and what they brought."""
        return await asyncio.to_thread(self.watch.look)

    async def export(self, user: str) -> list[dict[str, Any]]:
        """What was kept of a user: events with their numbers."""
        found = await asyncio.to_thread(self.log.export, user)
        return [{"number": one.number, **to_mapping(one.event)} for one in found]

    async def erase(self, user: str, *, by: str) -> int:
        """Remove what was kept of a user, from the log and from the memory of all workers; how many events."""

        def erase() -> tuple[int, int, int]:
            count, path = self.log.erase(user), self.deployment.folder / ERASED
            with self.deployment.locked():
                before = path.stat().st_size if path.exists() else 0
                after = append_line(path, {"time": time.time(), "events": count})
                self.deployment.audit.note("erase", by=by, events=count)
            return count, before, after

        count, before, after = await asyncio.to_thread(erase)
        for batcher in (self.batcher, *self._others.values()):
            await batcher.do(lambda live: live.forget(user, before, after))
        return count

    async def _chosen(self, request: Request) -> tuple[Answer, Chosen]:
        """What is shown, by whoever chooses for the user."""
        if request.scenario is None:
            # Who chooses is known when the router has found the scenario.
            found, chosen = await self.batcher.ask(request)
            if self.plan.is_plain(found.scenario):
                return found, chosen
            answer, chosen = await self._chosen(replace(request, scenario=found.scenario))
            return replace(answer, recognized=found.recognized), chosen
        side = self.plan.side(request.scenario, request.user)
        batcher = self._others.get(self.plan.version(side), self.batcher)
        return await batcher.ask(request, side)

    def _following(self, choices: Choices) -> Live:
        live = Live(choices, self.deployment, self.log)
        live.catch_up()
        return live

    def _versions(self) -> Versions | FollowedVersions:
        if self._control is not None:
            return FollowedVersions(self.deployment, self._control, self._lives)
        return Versions(self.deployment, self.batcher, self.log, self._load, self.metrics, others=self._others)

    def _lives(self) -> list[Live]:
        return [batcher.live for batcher in (self.batcher, *self._others.values())]

    def _batcher(self, live: Live, **options: Any) -> Batcher:
        limits = self.config.limits
        return Batcher(live, room=limits.waiting, most=limits.batch, **options)
