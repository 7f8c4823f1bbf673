"""The experiments that run, as the log says that they go."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from polyscene.errors import ExperimentError, PolysceneError
from polyscene.experiments.outcomes import Tally
from polyscene.experiments.plan import ExperimentSpec, Plan
from polyscene.experiments.reporting import Seen, seen, tally_of
from polyscene.feedback import FeedbackLog

_EARLY = 100_000
"""Reactions that may be in the log before their lists."""


@dataclass(frozen=True)
class Watched:
    """An experiment.

    Args:
        spec: as it is planned.
        seen: what it brought; None where that cannot be said.
        problem: why it cannot.
    """

    spec: ExperimentSpec
    seen: Seen | None
    problem: str = ""


class Watch:
    """Follows the log for all experiments, from where it was when it was last asked.

    Nothing is followed until somebody asks; from then on the lists of users whose window is open take memory.

    Args:
        plan: the experiments.
        log: what was shown and done.
        erased: grows when a user is erased, whose events count no longer.
    """

    def __init__(self, plan: Plan, log: FeedbackLog, erased: Path) -> None:
        self._plan, self._log, self._erased = plan, log, erased
        self._lock = threading.Lock()
        self._begin()

    def look(self) -> dict[str, Watched]:
        """The experiments by name, and what they brought so far.

        Raises:
            FeedbackError: the log cannot be read.
        """
        with self._lock:
            if self._size() != self._known:
                self._begin()
            last = self._log.last()
            for batch in self._log.read(self._cursor, until=last) if last > self._cursor else ():
                for logged in batch:
                    for tally in self._tallies.values():
                        tally.add(logged.event)
                self._cursor = batch[-1].number
            self._cursor = last
            return {name: self._watched(name, spec) for name, spec in self._plan.experiments.items()}

    def _begin(self) -> None:
        self._known, self._cursor = self._size(), 0
        self._tallies: dict[str, Tally] = {
            name: tally_of(name, spec, _EARLY) for name, spec in self._plan.experiments.items()
        }

    def _watched(self, name: str, spec: ExperimentSpec) -> Watched:
        try:
            return Watched(spec, seen(name, spec, self._tallies[name].outcomes()))
        except ExperimentError:
            return Watched(spec, None, "nothing was shown yet")
        except PolysceneError as error:
            return Watched(spec, None, " ".join(error.what.split()))

    def _size(self) -> int:
        return self._erased.stat().st_size if self._erased.exists() else 0
