"""Counting: priors and popularity of a version count the feedback that its update counted."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from polyscene.feedback import open_log
from polyscene.serving.engine import Engine
from polyscene.serving.reactions.reading import Row, read_feedback
from polyscene.training.files import read_json

_LOG = logging.getLogger(__name__)
UPDATE = "update.json"
"""File of a version that an update made: what it learned from, what it counts, and how that was decided."""


def read_update(version: Path) -> dict[str, Any]:
    """What is known of how a version came about; of one that no update made, that it has learned nothing yet."""
    path = version / UPDATE
    return read_json(path) if path.is_file() else {"number": 0, "parent": None, "scenarios": {}}


def count_feedback(engine: Engine, version: Path, log: str) -> int:
    """Let an engine count the rows of the log that its version counts; returns how many that are.

    They are read anew whenever a version is loaded, so what was erased since is counted no more.

    Args:
        engine: knows the items that came.
        version: folder of the version.
        log: address of the feedback log.

    Where the log was lost, and a new one began that holds less, a warning says so.

    Raises:
        FeedbackError: rows are to be counted, and the log cannot be read.
    """
    told = {name: one for name, one in read_update(version)["scenarios"].items() if one.get("counted")}
    return sum(
        engine.count(name, rows, positive_from=told[name]["positive_from"])
        for name, rows in _rows(told, log)
        if name in engine.shelves
    )


def _rows(told: Mapping[str, Mapping[str, Any]], log: str) -> Iterator[tuple[str, Sequence[Row]]]:
    if not told:
        return
    with closing(open_log(log)) as opened:
        wanted, last = max(one["counted"] for one in told.values()), opened.last()
        if last < wanted:
            _LOG.warning("%s holds %d events, of %d that the version counts", log, last, wanted)
        for name, one in told.items():
            found = read_feedback(opened, {name: 0}, one["counted"], one["kinds"], scenario=name)
            yield name, found[name].rows if name in found else []
