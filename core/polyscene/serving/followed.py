"""Versions as one of several workers sees them: others take its place when another version takes over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from polyscene.errors import PolysceneError
from polyscene.serving.control import Control, Wish
from polyscene.serving.deployment import Deployment, Promoted
from polyscene.serving.live import Live

_LOG = logging.getLogger(__name__)
_ASK_S, _WATCH_S, _AGAIN_S = 0.05, 1.0, 30.0


class FollowedVersions:
    """What :class:`polyscene.serving.versions.Versions` is to the only worker.

    A version is loaded once, by the process from which the workers that answer with it are forked; this one hands
    wishes on, and is drained when they answer.

    Args:
        deployment: which versions there are, and which is promoted.
        control: leads to the process that starts workers.
        lives: the models of this worker.
    """

    def __init__(self, deployment: Deployment, control: Control, lives: Callable[[], Sequence[Live]]) -> None:
        self.deployment, self._control, self._lives = deployment, control, lives

    @property
    def serving(self) -> str:
        """The version that answers now."""
        return self._control.serving or self._lives()[0].engine.version  # not all workers are there yet

    @property
    def trouble(self) -> str:
        """Why the promoted version is not the one that answers, where it is not."""
        return self._control.trouble

    async def promote(self, version: str, *, by: str, why: str = "") -> Promoted:
        """Let workers of a version take over if it can be loaded; the present ones serve meanwhile, and if not.

        Raises:
            ServingError: there is no such version, or it cannot be loaded; that is then in the audit log.
        """
        self.deployment.path_of(version)
        return await self._come_true(Wish(version, "promote", by, why))

    async def roll_back(self, *, by: str, why: str = "") -> Promoted:
        """As :meth:`promote`, with the version that served before."""
        return await self._come_true(Wish(self.deployment.previous(), "roll back", by, why))

    async def watch(self) -> None:
        """Ask for other workers when this one knows an item that could not be kept; the rest is seen above."""
        wait = _WATCH_S
        while True:
            await asyncio.sleep(wait)
            if any(live.spoiled for live in self._lives()):
                wait = _AGAIN_S
                try:
                    await self._come_true(Wish(self.serving))
                except PolysceneError as error:  # the disk that was full for the item is full for this as well
                    _LOG.warning("other workers cannot take over yet: %s", error)

    async def _come_true(self, wish: Wish) -> Promoted:
        name = await asyncio.to_thread(self._control.ask, wish)
        while not await asyncio.to_thread(self._control.told, name):
            await asyncio.sleep(_ASK_S)
        promoted = await asyncio.to_thread(self.deployment.promoted)
        assert promoted is not None
        return promoted
