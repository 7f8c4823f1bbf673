"""One generation of workers: the process that loads a version for them, and what is heard of it from above."""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Callable
from typing import Any, Literal

from polyscene.errors import PolysceneError, ServingError
from polyscene.experiments.plan import Plan
from polyscene.registry.host import Host
from polyscene.serving.config import ServeConfig
from polyscene.serving.control import Wish
from polyscene.serving.deployment import Deployment
from polyscene.serving.loading import Starter
from polyscene.serving.startup import Say
from polyscene.serving.workers import Workers, forked

_MOST_BYTES = 1 << 16
Work = Callable[[Starter, int, Callable[[], None]], bool]
"""What a worker does with what is loaded, given the end of a pipe that closes when its parent is gone, and what to
call once it answers; returns whether it went well."""


class Generation:
    """A process that loads a version and forks workers, as its parent knows it.

    Args:
        pid: of the process.
        hearing: end of a pipe into which it and its workers tell.
        wish: what it is to fulfil.
        name: of the wish; empty where nobody waits.
        erased: bytes of the record of erasures when it began: of whom it cannot know any more.

    Attributes:
        loaded: the version, once it is.
        workers: process ids of the workers that answered.
        state: whether it is yet to take over, serves, or is drained as another has taken over.
        trouble: why it cannot.
        began: on the clock of :func:`time.monotonic`.
    """

    def __init__(self, pid: int, hearing: int, wish: Wish, name: str, erased: int) -> None:
        self.pid, self.hearing, self.wish, self.name, self.erased = pid, hearing, wish, name, erased
        self.loaded = ""
        self.state: Literal["coming", "serving", "leaving"] = "coming"
        self.workers: list[int] = []
        self.trouble: ServingError | None = None
        self.began = time.monotonic()
        self._rest = b""

    def hear(self) -> None:
        """Take in what was told since."""
        while select.select([self.hearing], [], [], 0)[0] and (chunk := os.read(self.hearing, _MOST_BYTES)):
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, said: dict[str, Any]) -> None:
        if "answers" in said:
            self.workers.append(said["answers"])
        elif "loaded" in said:
            self.loaded = said["loaded"]
        else:
            self.trouble = ServingError(said["what"], where=said["where"], fix=said["fix"])


class Leader:
    """Starts generations: each loads in a process of its own.

    Args:
        config: the options.
        host: the plugins.
        plan: who chooses for whom.
        work: what each worker does.
        say: tells who started the service.
    """

    def __init__(self, config: ServeConfig, host: Host, plan: Plan, work: Work, say: Say) -> None:
        self.config, self._host, self._plan, self._work, self._say = config, host, plan, work, say
        self._deployment = Deployment(config.deployment)
        # Closes when this process is gone, however it ended: it alone holds the other end.
        self._alive, self._held = os.pipe()

    def start(self, wish: Wish, name: str, erased: int) -> Generation:
        """Fork a generation; see :class:`Generation`.

        Raises:
            OSError: the system allows no process more.
        """
        hearing, telling = os.pipe()

        def lead() -> bool:
            os.close(self._held)
            return self._lead(wish, telling)

        try:
            pid = forked(lead)
        except OSError:
            os.close(hearing)
            raise
        finally:
            os.close(telling)
        return Generation(pid, hearing, wish, name, erased)

    def _lead(self, wish: Wish, telling: int) -> bool:
        def tell(**what: Any) -> None:
            os.write(telling, json.dumps(what).encode() + b"\n")  # at once, so that no two lines mix

        def work(parent: int) -> bool:
            return self._work(starter, parent, lambda: tell(answers=os.getpid()))

        try:
            starter = Starter(self.config, self._host, self._say, plan=self._plan, version=wish.version)
            if select.select([self._alive], [], [], 0)[0]:  # nobody is above: what it decides would come too late
                return False
            self._decide(wish)
        except PolysceneError as error:
            if wish.action != "load":
                self._note_refusal(wish, error)
            tell(what=error.what, where=error.where, fix=error.fix)
            return False
        tell(loaded=starter.version)
        return Workers(self.config.workers, work, self._alive).run()

    def _decide(self, wish: Wish) -> None:
        if wish.action == "promote":
            self._deployment.promote(wish.version, by=wish.by, why=wish.why)
        elif wish.action == "roll back":
            self._deployment.roll_back(by=wish.by, why=wish.why)

    def _note_refusal(self, wish: Wish, error: PolysceneError) -> None:
        try:
            with self._deployment.locked():
                self._deployment.audit.note("refuse", by=wish.by, version=wish.version, why=error.what)
        except PolysceneError as other:
            print(f"A refusal cannot be noted: {other}", file=sys.stderr, flush=True)
