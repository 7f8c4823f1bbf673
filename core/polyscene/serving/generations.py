"""Workers come in generations: each is forked from a process that loaded a version, and replaces the one before.

So a version is loaded once for all workers, what it holds is in memory once, and what served before is gone with
its processes. The process above them loads nothing. It sees what is promoted and who is erased, hears what workers
wish, starts the next generation, and drains the present one when the next one answers.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

from prometheus_client.multiprocess import mark_process_dead

from polyscene.errors import PolysceneError, ServingError
from polyscene.experiments.plan import read_plan
from polyscene.registry.host import Host
from polyscene.serving.answering import DRAIN
from polyscene.serving.config import ServeConfig
from polyscene.serving.control import Control, Wish
from polyscene.serving.deployment import Deployment
from polyscene.serving.generation import Generation, Leader, Work
from polyscene.serving.live import ERASED
from polyscene.serving.metrics import Metrics
from polyscene.serving.startup import Say
from polyscene.serving.workers import FAILURES, STABLE_S, STOPS, ended, how, signalled

_LOOK_S, _WATCH_S, _AGAIN_S = 0.1, 1.0, 30.0


class Generations:
    """Starts generations of workers, and lets each take over from the one before.

    Args:
        config: the options.
        host: the plugins.
        control: where workers wish.
        work: what each worker does.
        say: tells who started the service.

    Raises:
        PolysceneError: the plan of experiments is wrong.
    """

    def __init__(self, config: ServeConfig, host: Host, control: Control, work: Work, say: Say) -> None:
        self._config, self._control = config, control
        self._deployment = Deployment(config.deployment)
        # As it is at the start: experiments go on with those whom they began with.
        self._leader = Leader(config, host, read_plan(self._deployment.folder, host), work, say)
        self._loads = Metrics().loads
        self._alive: dict[int, Generation] = {}
        self._wishes: list[tuple[str, Wish]] = []
        self._look_at, self._failures = 0.0, 0
        self._stopping = self._failed = False
        self._trouble: ServingError | None = None

    def run(self, begun: Callable[[str], None]) -> bool:
        """Serve until told to stop; whether all went well.

        Args:
            begun: told the version that is loaded first.

        Raises:
            PolysceneError: no version can be loaded, at the start or after all workers were lost.
        """
        for number in STOPS:
            signal.signal(number, self._stop)
        first: Generation | None = self._begin("", Wish())
        while self._alive:
            select.select([one.hearing for one in self._alive.values()], [], [], _LOOK_S)
            for one in self._alive.values():
                one.hear()
            self._let_take_over()
            self._bury()
            if first is not None and first.loaded:
                begun(first.loaded)
                # What `run` and `promote` ask for has happened, and others may be promoted from here on.
                self._leader.config, first = replace(self._config, run="", promote=False), None
            if not self._stopping:
                self._steer()
            self._control.write()
        if self._trouble:
            raise self._trouble
        return not self._failed

    @property
    def _serving(self) -> Generation | None:
        return next((one for one in self._alive.values() if one.state == "serving"), None)

    def _begin(self, name: str, wish: Wish) -> Generation:
        one = self._leader.start(wish, name, self._erased())
        self._alive[one.pid] = one
        if self._stopping:  # told so meanwhile
            self._stop()
        return one

    def _steer(self) -> None:
        """Start the next generation, if it is time for one."""
        self._wishes += self._control.wishes()
        if any(one.state == "coming" for one in self._alive.values()):
            return
        wanted, serving = self._next(), self._serving
        if wanted is None:
            return
        try:
            self._begin(*wanted)
        except OSError as error:
            self._refuse(wanted[0], ServingError(f"no process can be started: {error.strerror}"), serving)

    def _next(self) -> tuple[str, Wish] | None:
        """What is to be loaded now, after the name of the wish that it answers; None for nothing."""
        serving = self._serving
        if serving is None:
            return "", Wish()
        if self._wishes:
            return self._wishes.pop(0)
        if time.monotonic() < self._look_at:
            return None
        self._look_at = time.monotonic() + _WATCH_S
        return self._look(serving)

    def _look(self, serving: Generation) -> tuple[str, Wish] | None:
        """Follow what others promote and erase."""
        try:
            wanted, erased = self._wanted(serving), self._erased()
        except (PolysceneError, OSError) as error:
            self._control.say(serving.loaded, f"it cannot be read what is promoted: {error}")
            return None
        if wanted != serving.loaded or erased != serving.erased:
            return "", Wish(wanted)
        self._control.say(serving.loaded)
        return None

    def _let_take_over(self) -> None:
        for one in self._alive.values():
            if one.state != "coming" or len(one.workers) < self._config.workers:
                continue
            before, one.state = self._serving, "serving"
            self._control.say(one.loaded)
            if before is not None:
                self._loads.labels("loaded").inc()
                before.state = "leaving"
                signalled(before.pid, DRAIN)
            if one.name:
                self._control.tell(one.name)

    def _bury(self) -> None:
        """Let go of generations that ended."""
        for pid, status in ended():
            serving, one = self._serving, self._alive.pop(pid)
            one.hear()
            os.close(one.hearing)
            for worker in one.workers:  # where their own parent could not
                mark_process_dead(worker)
            if self._stopping:
                continue
            if one is serving:
                self._restart(one, status)
            elif one.state == "coming":
                self._give_up(one, status, serving)

    def _give_up(self, one: Generation, status: int, serving: Generation | None) -> None:
        """Go on without a generation that was to come."""
        if one.trouble:
            self._refuse(one.name, one.trouble, serving)
            return
        decided = serving is not None and self._decided(one.wish, serving)
        if decided and os.WIFSIGNALED(status):  # killed, perhaps in the very moment: let another one try
            self._wishes.insert(0, (one.name, replace(one.wish, action="load")))
            return
        again = "; it stays promoted, and is tried again" if decided else ""
        trouble = ServingError(
            f"its workers do not start ({how(status)})", fix=f"the server's log says why{again}"
        )
        self._refuse(one.name, trouble, serving)

    def _decided(self, wish: Wish, serving: Generation) -> bool:
        """Whether what was wished is what is promoted now."""
        try:
            return wish.action != "load" and self._wanted(serving) == wish.version
        except (PolysceneError, OSError):  # as in a moment of a full disk; it is looked at again later
            return False

    def _restart(self, one: Generation, status: int) -> None:
        """Let others take the place of all workers, unless these failed again and again."""
        lived = time.monotonic() - one.began
        self._failures = self._failures + 1 if lived < STABLE_S else 0
        if self._failures >= FAILURES or not os.WIFSIGNALED(status):
            self._failed = True
            self._stop()
            return
        print(f"All workers ended ({how(status)}); others take their place.", file=sys.stderr, flush=True)

    def _refuse(self, name: str, found: ServingError, serving: Generation | None) -> None:
        """Say why a generation does not take over, or end where none serves."""
        if serving is None:
            self._trouble = found
            self._stop()
            return
        self._loads.labels("failed").inc()
        if name:
            error = ServingError(
                f"the version cannot be loaded: {found.what}",
                where="version",
                fix=f"version '{serving.loaded}' goes on serving; {found.fix or 'promote another'}",
            )
            self._control.tell(name, error)
        else:
            self._look_at = time.monotonic() + _AGAIN_S
            self._control.say(serving.loaded, f"a version cannot be loaded: {found.what}")
            print(f"A version cannot be loaded: {found}", file=sys.stderr, flush=True)

    def _wanted(self, serving: Generation) -> str:
        promoted = self._deployment.promoted()
        return promoted.version if promoted else serving.loaded

    def _erased(self) -> int:
        path = self._deployment.folder / ERASED
        return path.stat().st_size if path.exists() else 0

    def _stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        self._stopping = True
        for pid in self._alive:
            signalled(pid, signal.SIGTERM)
