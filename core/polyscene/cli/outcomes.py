"""How the jobs of a multirun ended: one ``outcome.json`` beside each job's results."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from polyscene.data.files import atomic_path
from polyscene.errors import PolysceneError

_FILE = "outcome.json"
_LONGEST = 300  # characters of a reason in a table; the file has all of it


@dataclass
class Outcome:
    """How one job ended.

    Args:
        job: its number in the multirun.
        overrides: what set it apart.
        status: ``running`` until it ends; a job whose process was killed stays so.
        error: what went wrong, for people.
        trace: where in the code it went wrong, empty for mistakes that a user can mend.
        seconds: how long it ran.
        ended: when this was written, in unix seconds.
        score: the best score on validation rows, a mean over scenarios; higher is better.
        kept: whether an earlier multirun in this folder had finished it.
    """

    job: int
    overrides: list[str] = field(default_factory=list)
    status: Literal["running", "finished", "failed"] = "running"
    error: str = ""
    trace: str = ""
    seconds: float = 0.0
    ended: float = 0.0
    score: float | None = None
    kept: bool = False

    @property
    def user_error(self) -> bool:
        return self.status == "failed" and not self.trace

    def fail(self, error: Exception) -> None:
        """Record an exception."""
        self.status, self.error = "failed", str(error) or type(error).__name__
        self.trace = "" if isinstance(error, PolysceneError) else "".join(traceback.format_exception(error))

    def words(self) -> tuple[str, str]:
        """How it ended and why, for people."""
        if self.status == "running":
            return "killed", "its process ended without a word; the same command continues it"
        if self.status == "failed":
            return "failed", " ".join(self.error.split())[:_LONGEST]
        return "finished", "before, with the same config" if self.kept else ""


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write the outcome of the job that has this folder."""
    outcome.ended = time.time()
    with atomic_path(folder / _FILE) as path:
        path.write_text(json.dumps(asdict(outcome), indent=2) + "\n", encoding="utf-8")


def read_outcome(folder: Path) -> Outcome | None:
    """The outcome of one job, ``None`` if it has none or it is damaged."""
    try:
        return Outcome(**json.loads((folder / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def read_outcomes(folder: Path, *, since: float = 0.0) -> list[Outcome]:
    """Outcomes of the jobs in a multirun's folder that were written after ``since``, by job number."""
    read = (read_outcome(path.parent) for path in folder.rglob(_FILE))
    return sorted((one for one in read if one is not None and one.ended >= since), key=lambda one: one.job)


def print_summary(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """A table of the jobs; what is common to all of them stands above it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    first = outcomes[0].overrides if len(outcomes) > 1 else []
    common = [word for word in first if all(word in one.overrides for one in outcomes)]
    title = " ".join([f"Jobs in {folder}", *(["with", *common] if common else [])])
    table = Table(title=Text(title), title_justify="left")
    for column in ("job", "overrides", "outcome", "validation", "seconds", "why"):
        table.add_column(column, overflow="fold")
    for one in outcomes:
        ended, why = one.words()
        score = "" if one.score is None else f"{one.score:.4f}"
        own = " ".join(word for word in one.overrides if word not in common)
        table.add_row(str(one.job), *map(Text, (own, ended, score, f"{one.seconds:g}", why)))
    Console().print(table)
