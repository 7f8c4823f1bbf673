"""Writing files so that a reader finds the old one, the new one, or none, but never half of one."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polyscene.errors import DataError, PolysceneError

UNFINISHED = ".*.part"
"""Names of files that are being written: what a killed process leaves behind."""

_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space and run again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run again"),
    errno.EFBIG: ("the file grows past the allowed size", "raise the limit (ulimit -f) and run again"),
    errno.EACCES: ("permission denied", "choose a folder that you may write to"),
    errno.EROFS: ("the file system is read-only", "choose a folder that you may write to"),
}


@contextmanager
def atomic_path(path: Path, error: type[PolysceneError] = DataError, *, mode: int = 0o644) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` to write to; it takes the name ``path`` only if the block succeeds.

    The content is flushed to disk before the name changes, so that a crash cannot leave an empty file behind.

    Args:
        path: the file to write; missing parent folders are made.
        error: the error class raised when the system refuses to write.
        mode: of the file; until it is complete nobody but its owner may read it.

    Raises:
        PolysceneError: of class ``error``, if the disk is full, the folder is read-only and so on.

    Example:
        >>> from pathlib import Path; import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "numbers.txt"
        >>> with atomic_path(target) as temporary:
        ...     _ = temporary.write_text("1 2 3")
        >>> target.read_text()
        '1 2 3'
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError as problem:
        raise write_error(problem, path, error) from problem
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_error(problem: OSError, path: Path, error: type[PolysceneError] = DataError) -> PolysceneError:
    """The error to raise for a refused write: what happened, which path, what to do."""
    found, fix = _REASONS.get(problem.errno or 0, (problem.strerror or str(problem), "choose another folder"))
    return error(f"cannot write: {found}; nothing was left half-written", where=str(path), fix=fix)
