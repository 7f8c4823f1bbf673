"""The audit log of a deployment: who promoted, rolled back, refused or erased what, and when."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from polyscene.data.files import write_error
from polyscene.errors import CheckpointError


def append_line(path: Path, entry: Any) -> int:
    """Append one JSON line, on disk when this returns; the length of the file after it.

    A line that a crash left unfinished is cut off first. One process at a time: hold the deployment's lock.

    Raises:
        CheckpointError: the disk is full or the folder read-only; nothing is then left half-written.
    """
    line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            end = _whole(file)
            file.truncate(end)
            try:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
            return end + len(line)
    except OSError as problem:
        raise write_error(problem, path, CheckpointError) from problem


def read_lines(path: Path, start: int = 0) -> Iterator[tuple[int, Any]]:
    """The JSON lines of a file after byte ``start``, each with the byte at which it ends; no unfinished one.

    Raises:
        CheckpointError: a line is not JSON.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            start += len(line)
            if not line.endswith(b"\n"):
                return
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise CheckpointError(
                    f"a line that ends at byte {start:,} is damaged ({error})",
                    where=str(path),
                    fix="take the line out, or restore the file",
                ) from None
            yield start, entry


class Audit:
    """What was decided about a deployment, a line each: ``time``, ``action``, ``by``, and what it was about.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, action: str, *, by: str, **about: Any) -> None:
        """Write a decision down; hold the deployment's lock."""
        append_line(self.path, {"time": time.time(), "action": action, "by": by, **about})

    def entries(self) -> list[dict[str, Any]]:
        """All decisions, oldest first."""
        return [entry for _, entry in read_lines(self.path)]


def _whole(file: Any) -> int:
    """The byte after the last whole line."""
    end = position = file.seek(0, os.SEEK_END)
    while position > 0:
        start = max(0, position - 4096)
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0 if end else end
