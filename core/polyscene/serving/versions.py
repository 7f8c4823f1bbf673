"""Which version a worker answers with: promoting, rolling back, following what others promote."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from polyscene.errors import PolysceneError, ServingError
from polyscene.feedback import FeedbackLog
from polyscene.serving.batching import Batcher
from polyscene.serving.choices import Choices
from polyscene.serving.deployment import Deployment, Promoted
from polyscene.serving.live import Live
from polyscene.serving.metrics import Metrics
from polyscene.training.memory import give_back_freed_memory

_LOG = logging.getLogger(__name__)
_WATCH_S, _AGAIN_S = 1.0, 30.0


class Versions:
    """Exchanges the model of a worker.

    A version is loaded beside the one that answers, catches up with what happened, answers a request of each
    scenario, and takes over between two calls of the engine: no request is lost, and whatever goes wrong before
    leaves everything as it was.

    Args:
        deployment: which versions there are, and which is promoted.
        batcher: whose model is exchanged.
        log: what users did.
        load: loads a version, ready to answer; called in a thread of its own.
        metrics: where loads and versions are counted.
        others: what answers with a version of its own, whichever is promoted, by version.
    """

    def __init__(
        self,
        deployment: Deployment,
        batcher: Batcher,
        log: FeedbackLog,
        load: Callable[[str], Choices],
        metrics: Metrics,
        *,
        others: Mapping[str, Batcher] | None = None,
    ) -> None:
        self.deployment, self.batcher, self.log, self.metrics = deployment, batcher, log, metrics
        self.others = others or {}
        self._load = load
        self._changing = asyncio.Lock()
        self.trouble = ""
        """Why the promoted version is not the one that answers, where it is not."""

    @property
    def serving(self) -> str:
        """The version that answers now."""
        return self.batcher.live.engine.version

    async def promote(self, version: str, *, by: str, why: str = "") -> Promoted:
        """Load a version, and serve it if that succeeds; the present one serves meanwhile, and if not.

        Raises:
            ServingError: there is no such version, or it cannot be loaded; that is then in the audit log.
        """
        self.deployment.path_of(version)
        return await self._change(version, lambda: self.deployment.promote(version, by=by, why=why), by)

    async def roll_back(self, *, by: str, why: str = "") -> Promoted:
        """As :meth:`promote`, with the version that served before."""
        version = self.deployment.previous()
        return await self._change(version, lambda: self.deployment.roll_back(by=by, why=why), by)

    async def watch(self) -> None:
        """Follow what others promote and erase, for ever; what cannot be loaded is tried again a while later."""
        wait = _WATCH_S
        while True:
            await asyncio.sleep(wait)
            try:
                await self._follow()
                wait, self.trouble = _WATCH_S, ""
            except Exception as error:  # whatever it is, the next version has to be noticed
                what = error.what if isinstance(error, PolysceneError) else f"{type(error).__name__}: {error}"
                wait, self.trouble = _AGAIN_S, f"a version cannot be loaded: {what}"
                _LOG.error("%s; version '%s' goes on serving", self.trouble, self.serving)

    async def _follow(self) -> None:
        """Answer with what is promoted, and with nothing of who was erased."""
        # What is promoted is read when nobody is changing it: else this would go back behind the change.
        async with self._changing:
            promoted = self.deployment.promoted()
            wanted = promoted.version if promoted else self.serving
            if wanted != self.serving or self.batcher.live.stale:
                await self._exchange(await self._loaded(wanted))
            for version, batcher in self.others.items():
                if batcher.live.stale:
                    await batcher.exchange(await self._loaded(version))

    async def _change(self, version: str, decide: Callable[[], Promoted], by: str) -> Promoted:
        async with self._changing:
            try:
                live = await self._loaded(version)
            except PolysceneError as error:
                await asyncio.to_thread(self._note_refusal, version, by, error.what)
                raise ServingError(
                    f"version '{version}' cannot be loaded: {error.what}",
                    where="version",
                    fix=f"version '{self.serving}' goes on serving; {error.fix or 'promote another'}",
                ) from error
            promoted = await asyncio.to_thread(decide)
            if promoted.version == version:  # else another process was quicker, and is followed in a moment
                await self._exchange(live)
            self.trouble = ""
            return promoted

    def _note_refusal(self, version: str, by: str, why: str) -> None:
        try:
            with self.deployment.locked():
                self.deployment.audit.note("refuse", by=by, version=version, why=why)
        except PolysceneError as error:
            _LOG.error("version '%s' cannot be loaded (%s), and that cannot be noted: %s", version, why, error)

    async def _loaded(self, version: str) -> Live:
        """A version that is ready to answer."""

        def load() -> Live:
            live = Live(self._load(version), self.deployment, self.log)
            live.catch_up()
            return live

        try:
            live = await asyncio.to_thread(load)
        except Exception as error:
            self.metrics.loads.labels("failed").inc()
            if isinstance(error, PolysceneError):
                raise
            _LOG.exception("version '%s' cannot be loaded", version)
            raise ServingError(f"{type(error).__name__}: {error}", where=version) from error
        self.metrics.loads.labels("loaded").inc()
        return live

    async def _exchange(self, live: Live) -> None:
        before = self.serving
        await self.batcher.exchange(live)
        self.metrics.serves(live.engine.version, before)
        del live
        await self.batcher.do(lambda _: None)  # when this is answered, nothing that came before holds the other
        await asyncio.to_thread(give_back_freed_memory)
