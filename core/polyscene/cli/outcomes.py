"""How the jobs of a multirun ended: one ``outcome.json`` beside each job's results."""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

from polyscene.data.files import atomic_path
from polyscene.errors import PolysceneError

_FILE = "outcome.json"


@dataclass
class Outcome:
    """How one job ended.

    Args:
        job: its number in the multirun.
        overrides: what set it apart.
        status: ``finished`` or ``failed``.
        error: what went wrong, for people.
        trace: where in the code it went wrong, empty for mistakes that a user can mend.
        seconds: how long it ran.
        ended: when it ended, in unix seconds.
    """

    job: int
    overrides: list[str] = field(default_factory=list)
    status: str = "failed"
    error: str = ""
    trace: str = ""
    seconds: float = 0.0
    ended: float = 0.0

    @property
    def user_error(self) -> bool:
        return not self.trace

    def fail(self, error: Exception) -> None:
        """Record an exception."""
        self.status, self.error = "failed", str(error) or type(error).__name__
        self.trace = "" if isinstance(error, PolysceneError) else "".join(traceback.format_exception(error))


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write the outcome of the job that has this folder."""
    outcome.ended = time.time()
    with atomic_path(folder / _FILE) as path:
        path.write_text(json.dumps(asdict(outcome), indent=2) + "\n", encoding="utf-8")


def read_outcomes(folder: Path, *, since: float = 0.0) -> list[Outcome]:
    """Outcomes of the jobs in a multirun's folder that ended after ``since``, by job number."""
    found = [Outcome(**json.loads(path.read_text(encoding="utf-8"))) for path in folder.rglob(_FILE)]
    return sorted((one for one in found if one.ended >= since), key=lambda one: one.job)


def print_summary(folder: Path, outcomes: list[Outcome]) -> None:
    """A table of the jobs."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Jobs in {folder}", title_justify="left")
    for column in ("job", "overrides", "outcome", "seconds", "why"):
        table.add_column(column, overflow="fold")
    for one in outcomes:
        why = one.error.splitlines()[0] if one.error else ""
        table.add_row(str(one.job), " ".join(one.overrides), one.status, f"{one.seconds:g}", why)
    Console().print(table, markup=False)
