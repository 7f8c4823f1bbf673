"""Items that arrived while serving, kept so that other workers, restarts and later versions know them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polyscene.errors import PolysceneError
from polyscene.serving.audit import append_line, read_lines
from polyscene.serving.deployment import Deployment

_LOG = logging.getLogger(__name__)


class Arrivals:
    """The file ``items.jsonl`` of a deployment: a line for each call that added or changed items.

    Args:
        deployment: its folder, and its lock, which whoever appends must hold.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment, self.path = deployment, deployment.folder / "items.jsonl"

    def append(self, scenario: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Keep rows of items; on disk when this returns. The file's length, a cursor for :meth:`after`.

        Raises:
            CheckpointError: the disk is full or read-only.
        """
        return append_line(self.path, {"scenario": scenario, "rows": [dict(row) for row in rows]})

    def after(self, cursor: int) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
        """What was kept after ``cursor``: the new cursor, scenario and rows of each call."""
        if not self.path.exists() or self.path.stat().st_size <= cursor:
            return
        for end, entry in read_lines(self.path, cursor):
            yield end, entry["scenario"], entry["rows"]

    def complain(self, error: PolysceneError) -> None:
        """Say that some kept items are passed over."""
        _LOG.warning("items of %s are passed over: %s", self.path, error)
